import Glibc

// What could be reached directly, and must bounce all the same.
extension SegmentList {
    private mutating func bounce(_ index: Int) {
        guard vectors[index].iov_base != nil else { return }
        vectors[index].iov_base = nil
        segments[index].range = nil
        segments[index].transforms = 0
        bounced &+= 1
    }

    /// A segment offends by address, length or position in the request. Offenders begin and end on
    /// multiples of the alignment together, as everything between them does.
    mutating func bounceMisaligned(_ alignment: Int) throws(GuestMemoryError) {
        describe()
        let mask = UInt64(alignment - 1)
        guard total & mask == 0 else {
            throw GuestMemoryError(.misaligned, at: segments[0].deviceAddress)
        }
        var position: UInt64 = 0
        for index in 0..<count {
            let length = UInt64(vectors[index].iov_len)
            let address = UInt64(UInt(bitPattern: vectors[index].iov_base))
            if (position | length | address) & mask != 0 { bounce(index) }
            position &+= length
        }
    }

    /// The kernel may fill elements in any order. Those that overlap an earlier one are copied
    /// afterwards instead, in order, so that the last one wins.
    mutating func bounceOverlaps() {
        if bounced == count { return }
        if bounced > 0 { describe() }
        if bouncesMemory {
            // One that is copied could come before a direct one that overlaps it.
            for index in 0..<count { bounce(index) }
            return
        }
        let all = UnsafeBufferPointer(start: vectors, count: count)
        guard isOfPages ? overlaps.mayShareAPage(all) : overlaps.mayOverlap(all) else { return }
        describe()
        var covered = CoveredAddresses()
        for index in 0..<count {
            guard let base = vectors[index].iov_base else { continue }
            let start = UInt(bitPattern: base)
            let isNew = covered.insert(start..<start + UInt(vectors[index].iov_len))
            if !isNew { bounce(index) }
        }
    }
}
