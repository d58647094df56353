/// Counts of durations in buckets that grow with the duration, each an eighth of a power of two
/// wide: a percentile is exact to 12.5 %.
public struct LatencyHistogram: Sendable, Hashable {
    // From 0 to 2^40 ns, some 18 minutes, beyond which all count as that.
    private static let bucketCount = 8 * 38
    private var buckets = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)
    /// How many durations were counted.
    public private(set) var count: UInt64 = 0

    /// Empty.
    public init() {}

    mutating func record(nanoseconds: UInt64) {
        buckets[Self.bucket(of: nanoseconds)] &+= 1
        count &+= 1
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

    private static func bucket(of value: UInt64) -> Int {
        if value < 8 { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let mantissa = Int(truncatingIfNeeded: value >> UInt64(exponent - 3)) & 7
        return min((exponent - 2) * 8 + mantissa, bucketCount - 1)
    }

    private static func upperBound(of bucket: Int) -> UInt64 {
        if bucket < 8 { return UInt64(bucket) }
        let shift = UInt64(bucket / 8 - 1)
        return (UInt64(8 + bucket % 8 + 1) << shift) - 1
    }
}
