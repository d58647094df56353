/// What several requests take together from the buckets of ``RateLimits``: as much as `UInt64` holds at most.
struct RateDemandSums {
    /// Of a bucket for operations, and of one for bytes.
    struct Sum {
        var operations: UInt64 = 0
        var bytes: UInt64 = 0

        fileprivate mutating func add(_ demand: RateDemand) {
            operations = Self.sum(operations, demand.operations)
            bytes = Self.sum(bytes, demand.bytes)
        }

        private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
            let (sum, isTooLarge) = left.addingReportingOverflow(right)
            return isTooLarge ? .max : sum
        }
    }

    private(set) var all = Sum()
    private(set) var reads = Sum()
    private(set) var writes = Sum()

    mutating func add(_ demand: RateDemand) {
        all.add(demand)
        if demand.isRead { reads.add(demand) } else { writes.add(demand) }
    }
}
