/// Counts of durations in buckets that grow with the duration, each an eighth of a power of two
/// wide: a percentile is exact to 12.5 %.
public struct LatencyHistogram: Sendable, Hashable {
    // From 0 to 2^40 ns, some 18 minutes, beyond which all count as that.
    static let bucketCount = 8 * 38
    private var buckets = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)
    /// How many durations were counted.
    public private(set) var count: UInt64 = 0

    /// A histogram that has counted nothing.
    public init() {}

    init(_ recorded: UnsafeBufferPointer<UInt64>) {
        buckets = unsafe Array(recorded)
        count = unsafe recorded.reduce(0, &+)
    }

    /// The duration in nanoseconds that `percent` of those counted did not exceed; 0 when there are
    /// none.
    public func percentile(_ percent: Double) -> UInt64 {
        let target = UInt64((Double(count) * min(max(percent, 0), 100) / 100).rounded(.up))
        var seen: UInt64 = 0
        for (index, value) in buckets.enumerated() where value > 0 {
            seen += value
            if seen >= target { return Self.upperBound(of: index) }
        }
        return 0
    }

    @inline(__always)
    static func bucket(of value: UInt64) -> Int {
        // Counting the zeroes of what is never 0 is one instruction; below 8 the value itself counts.
        let exponent = 63 &- (value | 4).leadingZeroBitCount
        let shift = exponent &- 3
        if shift < 0 { return Int(truncatingIfNeeded: value) }
        let bucket = shift &* 8 &+ Int(truncatingIfNeeded: value &>> UInt64(shift))
        return bucket < bucketCount ? bucket : bucketCount &- 1
    }

    private static func upperBound(of bucket: Int) -> UInt64 {
        if bucket < 8 { return UInt64(bucket) }
        let shift = UInt64(bucket / 8 - 1)
        return (UInt64(8 + bucket % 8 + 1) << shift) - 1
    }
}
