/// The histograms of a queue while it counts, at an address that stays: recording one duration is a
/// few instructions.
struct LatencyRecorder: ~Copyable {
    /// The operations whose durations are kept.
    enum Kind: Int, CaseIterable {
        case read, write, flush
    }

    private let buckets: UnsafeMutablePointer<UInt64>

    init() {
        let count = Kind.allCases.count * LatencyHistogram.bucketCount
        buckets = .allocate(capacity: count)
        buckets.initialize(repeating: 0, count: count)
    }

    deinit { buckets.deallocate() }

    @inline(__always)
    func record(_ kind: Kind, _ nanoseconds: UInt64) {
        let bucket = LatencyHistogram.bucket(of: nanoseconds)
        buckets[kind.rawValue &* LatencyHistogram.bucketCount &+ bucket] &+= 1
    }

    /// The same for a verb, if its durations are kept.
    func record(_ verb: BlockOperation, _ nanoseconds: UInt64) {
        switch verb {
        case .read: record(Kind.read, nanoseconds)
        case .write: record(Kind.write, nanoseconds)
        case .flush, .open: record(Kind.flush, nanoseconds)
        case .discard, .writeZeroes, .resize: break
        }
    }

    /// What has been recorded of one kind.
    func histogram(_ kind: Kind) -> LatencyHistogram {
        LatencyHistogram(
            UnsafeBufferPointer(
                start: buckets + kind.rawValue * LatencyHistogram.bucketCount,
                count: LatencyHistogram.bucketCount))
    }
}
