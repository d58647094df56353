// How a request that has completed enters the statistics.
extension BlockStatistics {
    mutating func count(_ request: RequestPointer) {
        let moved = request.pointee.moved
        let hasFailed = request.pointee.failure != nil
        switch request.pointee.operation {
        case .read: reads.count(moved, hasFailed)
        case .write:
            writes.count(moved, hasFailed)
            if request.pointee.isDurable { durableWrites.count(moved, hasFailed) }
        case .flush, .open: flushes.count(moved, hasFailed)
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

    mutating func add(_ other: Self) {
        operations &+= other.operations
        bytes &+= other.bytes
        errors &+= other.errors
    }
}
