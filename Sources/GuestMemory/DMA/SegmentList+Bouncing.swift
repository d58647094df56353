import Glibc

// What could be reached directly, and must bounce all the same.
extension SegmentList {
    private mutating func bounce(_ index: Int) {
        guard !bounces(index) else { return }
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
            throw GuestMemoryError(.misaligned, at: segment(0).deviceAddress)
        }
        var position: UInt64 = 0
        for index in 0..<count {
            let length = UInt64(length(of: index))
            let address = UInt64(start(of: index))
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
        var byAddress = (0..<count).filter { !bounces($0) }
        byAddress.sort {
            start(of: $0) < start(of: $1)
        }
        describe()
        var first = 0
        while first < byAddress.count {
            var reached = end(of: byAddress[first])
            var earliest = byAddress[first]
            var next = first + 1
            while next < byAddress.count,
                start(of: byAddress[next]) < reached
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
        start(of: index) &+ UInt(length(of: index))
    }
}
