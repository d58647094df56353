/// What a virtqueue has done since it was made.
public struct VirtioQueueStatistics: Sendable, Hashable {
    /// Requests that were taken from the ring.
    public internal(set) var requests: UInt64 = 0
    /// Requests that have ended with another status than OK.
    public internal(set) var failures: UInt64 = 0
    /// Calls of ``VirtioBlockQueue/serve()`` that have taken a request.
    public internal(set) var batches: UInt64 = 0
    /// Interrupts that were due.
    public internal(set) var interrupts: UInt64 = 0
    /// Host requests that an error policy was asked about.
    public internal(set) var hostFailures: UInt64 = 0

    /// All counters at 0.
    public init() {}
}
