import Histogram

/// What a stretch of work has counted.
struct Tally {
    /// Requests that succeeded.
    var requests: UInt64 = 0
    /// Requests that failed, those of the warm-up included.
    var errors: UInt64 = 0
    /// Blocks that did not hold what they must, those found in the warm-up included.
    var mismatches: UInt64 = 0
    /// What the requests took below the interface.
    var effort = Effort()
    /// Time measured.
    var nanoseconds: UInt64 = 0
    /// Processor time of the process in it.
    var processorNanoseconds: UInt64 = 0
    /// Nanoseconds from start to completion, three digits.
    var latency = Histogram<UInt64>(highestTrackableValue: Tally.longestLatency)

    /// A hundred seconds; what takes longer counts as that.
    private static let longestLatency: UInt64 = 100_000_000_000

    /// Requests a second; 0 when no time was measured.
    var requestsPerSecond: Double {
        nanoseconds == 0 ? 0 : Double(requests) * 1e9 / Double(nanoseconds)
    }

    /// A request has succeeded.
    mutating func count(latency nanoseconds: UInt64) {
        requests &+= 1
        latency.record(min(nanoseconds, Self.longestLatency))
    }

    /// The sum of two.
    mutating func add(_ other: Tally) {
        requests += other.requests
        errors += other.errors
        mismatches += other.mismatches
        effort += other.effort
        nanoseconds += other.nanoseconds
        processorNanoseconds += other.processorNanoseconds
        latency.add(other.latency)
    }
}
