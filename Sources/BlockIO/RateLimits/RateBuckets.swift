/// The buckets of ``RateLimits``, as a pure value like ``RateBucket``.
struct RateBuckets {
    private var all: Pair
    private var reads: Pair
    private var writes: Pair

    /// The two buckets of one direction, or of both together.
    private struct Pair {
        var operations: RateBucket?
        var bytes: RateBucket?

        init(_ operations: RateLimit?, _ bytes: RateLimit?, _ now: UInt64) {
            self.operations = operations.map { RateBucket($0, now: now) }
            self.bytes = bytes.map { RateBucket($0, now: now) }
        }

        mutating func reserve(_ demand: RateDemand, now: UInt64) -> UInt64 {
            let forOperations = operations?.reserve(demand.operations, now: now) ?? 0
            let forBytes = bytes?.reserve(demand.bytes, now: now) ?? 0
            return max(forOperations, forBytes)
        }

        mutating func wait(
            for demand: RateDemand, reservedSince since: RateDemandSums.Sum, now: UInt64
        ) -> UInt64 {
            let forOperations =
                operations?.wait(
                    for: demand.operations, reservedSince: since.operations, now: now) ?? 0
            let forBytes =
                bytes?.wait(for: demand.bytes, reservedSince: since.bytes, now: now) ?? 0
            return max(forOperations, forBytes)
        }

        mutating func giveBack(_ demand: RateDemand) {
            operations?.giveBack(demand.operations)
            bytes?.giveBack(demand.bytes)
        }
    }

    /// Full buckets. The limits must be valid.
    init(_ limits: RateLimits, now: UInt64) {
        all = Pair(limits.operations, limits.bytes, now)
        reads = Pair(limits.readOperations, limits.readBytes, now)
        writes = Pair(limits.writeOperations, limits.writeBytes, now)
    }

    /// Takes what a request demands. Returns how many nanoseconds it has to wait.
    mutating func reserve(_ demand: RateDemand, now: UInt64) -> UInt64 {
        let ofDirection =
            demand.isRead
            ? reads.reserve(demand, now: now) : writes.reserve(demand, now: now)
        return max(all.reserve(demand, now: now), ofDirection)
    }

    /// How many nanoseconds a request has to wait whose tokens have been reserved, when `since` is what has been
    /// reserved from then on, the request's own included.
    mutating func wait(
        for demand: RateDemand, reservedSince since: RateDemandSums, now: UInt64
    ) -> UInt64 {
        let ofDirection =
            demand.isRead
            ? reads.wait(for: demand, reservedSince: since.reads, now: now)
            : writes.wait(for: demand, reservedSince: since.writes, now: now)
        return max(all.wait(for: demand, reservedSince: since.all, now: now), ofDirection)
    }

    /// Gives back what was reserved for a request.
    mutating func giveBack(_ demand: RateDemand) {
        all.giveBack(demand)
        if demand.isRead { reads.giveBack(demand) } else { writes.giveBack(demand) }
    }
}
