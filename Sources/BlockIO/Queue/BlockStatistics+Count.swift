// How a finished request enters the statistics.
extension BlockStatistics {
    /// `now` is the clock at the last visit to the engine; `nil` for a request that never got there
    /// or failed, whose duration would say nothing about the device.
    mutating func count(_ request: RequestPointer, _ now: UInt64?) {
        let moved = request.pointee.moved
        let hasFailed = request.pointee.failure != nil
        let duration = now.map { $0 &- request.pointee.started }
        switch request.pointee.verb {
        case .read:
            reads.count(moved, hasFailed)
            if let duration { readLatency.record(nanoseconds: duration) }
        case .write:
            writes.count(moved, hasFailed)
            if request.pointee.isDurable { durableWrites.count(moved, hasFailed) }
            if let duration { writeLatency.record(nanoseconds: duration) }
        case .flush, .open:
            flushes.count(moved, hasFailed)
            if let duration { flushLatency.record(nanoseconds: duration) }
        case .discard: discards.count(moved, hasFailed)
        case .writeZeroes: writeZeroes.count(moved, hasFailed)
        case .resize: break
        }
    }
}

extension BlockStatistics.Counter {
    mutating func count(_ moved: UInt64, _ hasFailed: Bool) {
        if hasFailed { errors &+= 1 } else { operations &+= 1 }
        bytes &+= moved
    }
}
