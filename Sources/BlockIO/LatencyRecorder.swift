/// The histograms of a queue while it counts, at an address that stays: recording one duration is a
/// few instructions.
///
/// Safe, because `LatencyHistogram.bucket(of:)` names no bucket that there is no memory for.
@safe struct LatencyRecorder: ~Copyable {
    /// The operations whose durations are kept.
    enum Kind: Int, CaseIterable {
        case read, write, flush
    }

    private let buckets: UnsafeMutablePointer<UInt64>

    init() {
        let count = Kind.allCases.count * LatencyHistogram.bucketCount
        unsafe buckets = .allocate(capacity: count)
        unsafe buckets.initialize(repeating: 0, count: count)
    }

    deinit { unsafe buckets.deallocate() }

    /// Counts a duration whose bucket is known.
    @inline(__always)
    func count(_ kind: Kind, _ bucket: Int) {
        unsafe buckets[kind.rawValue &* LatencyHistogram.bucketCount &+ bucket] &+= 1
    }

    /// Counts a duration, if those of the operation are kept.
    func record(_ operation: BlockOperation, _ nanoseconds: UInt64) {
        let bucket = LatencyHistogram.bucket(of: nanoseconds)
        switch operation {
        case .read: count(.read, bucket)
        case .write: count(.write, bucket)
        case .flush, .open: count(.flush, bucket)
        case .discard, .writeZeroes, .resize: break
        }
    }

    /// What has been recorded of one kind.
    func histogram(_ kind: Kind) -> LatencyHistogram {
        unsafe LatencyHistogram(
            UnsafeBufferPointer(
                start: buckets + kind.rawValue * LatencyHistogram.bucketCount,
                count: LatencyHistogram.bucketCount))
    }
}
