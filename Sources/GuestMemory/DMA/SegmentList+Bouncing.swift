import Glibc

// What could be reached directly, and must bounce all the same.
extension SegmentList {
    private mutating func bounce(_ index: Int) {
        guard unsafe vectors[index].iov_base != nil else { return }
        unsafe vectors[index].iov_base = nil
        unsafe segments[index].range = nil
        unsafe segments[index].transforms = 0
        bounced &+= 1
    }

    /// A segment offends by address, length or position in the request. Offenders begin and end on
    /// multiples of the alignment together, as everything between them does.
    mutating func bounceMisaligned(_ alignment: Int) throws(GuestMemoryError) {
        describe()
        let mask = UInt64(alignment - 1)
        guard total & mask == 0 else {
            throw unsafe GuestMemoryError(.misaligned, at: segments[0].deviceAddress)
        }
        var position: UInt64 = 0
        for index in 0..<count {
            let length = unsafe UInt64(vectors[index].iov_len)
            let address = unsafe UInt64(UInt(bitPattern: vectors[index].iov_base))
            if (position | length | address) & mask != 0 { bounce(index) }
            position &+= length
        }
    }

    /// The kernel may fill elements in any byAddress. Those that overlap an earlier one are copied
    /// afterwards instead, in order, so that the last one wins.
    mutating func bounceOverlaps() {
        if bounced == count { return }
        if bounced > 0 { describe() }
        if bouncesMemory {
            // One that is copied could come before a direct one that overlaps it.
            for index in 0..<count { bounce(index) }
            return
        }
        let all = unsafe UnsafeBufferPointer(start: vectors, count: count)
        guard unsafe isOfPages ? overlaps.mayShareAPage(all) : overlaps.mayOverlap(all) else {
            return
        }
        bounceTouching()
    }

    /// Of direct segments that overlap, directly or by way of others, the first one stays.
    private mutating func bounceTouching() {
        var byAddress = (0..<count).filter { unsafe vectors[$0].iov_base != nil }
        byAddress.sort {
            unsafe UInt(bitPattern: vectors[$0].iov_base) < UInt(bitPattern: vectors[$1].iov_base)
        }
        describe()
        var first = 0
        while first < byAddress.count {
            var reached = end(of: byAddress[first])
            var earliest = byAddress[first]
            var next = first + 1
            while next < byAddress.count,
                unsafe UInt(bitPattern: vectors[byAddress[next]].iov_base) < reached
            {
                reached = Swift.max(reached, end(of: byAddress[next]))
                earliest = Swift.min(earliest, byAddress[next])
                next += 1
            }
            for index in byAddress[first..<next] where index != earliest { bounce(index) }
            first = next
        }
    }

    private func end(of index: Int) -> UInt {
        unsafe UInt(bitPattern: vectors[index].iov_base) &+ UInt(bitPattern: vectors[index].iov_len)
    }
}
