import BlockHost

// Memory that other processes have taken away.
extension SegmentList {
    /// The first byte of the list that is lost, as an error; what bounces is looked up in `map`, or
    /// is not looked at without one. To be asked for when ``MemoryWatch/isAnyLost`` only: it looks
    /// at every segment.
    @inline(never)
    func loss(on map: FlatRanges? = nil) -> GuestMemoryError? {
        for index in 0..<count {
            let length = length(of: index)
            var intact = length
            if let base = unsafe host(of: index) {
                guard let watch = range(at: index)?.pointee.watch else { continue }
                intact = unsafe watch.intact(base, length)
            } else {
                let address = segment(index).address
                guard let range = map?.range(at: address),
                    let watch = range.pointee.watch,
                    let host = unsafe range.pointee.host
                else { continue }
                let offset = Int(
                    truncatingIfNeeded: address.offset(from: range.pointee.first))
                intact = unsafe watch.intact(host + offset, length)
            }
            if intact < length { return .lost(at: deviceAddress(of: index) &+ UInt64(intact)) }
        }
        return nil
    }

    /// Throws when something in the list is lost.
    @inline(never)
    func refuseLoss(on map: FlatRanges) throws(GuestMemoryError) {
        if let loss = loss(on: map) { throw loss }
    }

    /// The kernel has found memory missing, at byte `position` of the list or behind it: finds out
    /// where, so that it is lost for others too.
    func probe(from position: TransferOffset) {
        var start: TransferOffset = 0
        for index in 0..<count {
            let length = UInt64(length(of: index))
            defer { start = start &+ length }
            guard position < start &+ length, let base = unsafe host(of: index),
                range(at: index)?.pointee.watch != nil
            else { continue }
            let skipped = position > start ? Int(position &- start) : 0
            unsafe VolatileMemory.probe(base + skipped, count: Int(length) - skipped)
        }
    }

    /// The first byte of a segment, as the device named it.
    func deviceAddress(of index: Int) -> GuestAddress {
        guard index >= described, let tail else {
            return segment(index).deviceAddress
        }
        // Not described: at the address that the device named.
        let offset =
            unsafe start(of: index) &- UInt(bitPattern: tail.pointee.host)
        return tail.pointee.first &+ UInt64(truncatingIfNeeded: offset)
    }
}
