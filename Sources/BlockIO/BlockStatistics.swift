/// What a queue has done since it was opened. Counters are 64 bits wide and only grow.
public struct BlockStatistics: Sendable, Hashable {
    /// Nothing done yet.
    public init() {}

    /// One kind of operation.
    public struct Counter: Sendable, Hashable {
        /// Requests that succeeded.
        public internal(set) var operations: UInt64 = 0
        /// Bytes moved, those of failed requests included.
        public internal(set) var bytes: UInt64 = 0
        /// Requests that failed.
        public internal(set) var errors: UInt64 = 0
    }

    /// Reads.
    public internal(set) var reads = Counter()
    /// Writes.
    public internal(set) var writes = Counter()
    /// The writes among them that had to be on stable storage (FUA).
    public internal(set) var durableWrites = Counter()
    /// Flushes; their bytes are 0.
    public internal(set) var flushes = Counter()
    /// Discards.
    public internal(set) var discards = Counter()
    /// Writes of zeroes.
    public internal(set) var writeZeroes = Counter()

    /// Engine submissions: more than requests when some requests went in pieces.
    public internal(set) var kernelRequests: UInt64 = 0
    /// Bytes that went between the caller's memory and the kernel without a copy.
    public internal(set) var directBytes: UInt64 = 0
    /// Bytes that passed through a bounce buffer, padding included.
    public internal(set) var bouncedBytes: UInt64 = 0
    /// Pieces of requests that needed more than the caller's own list.
    public internal(set) var pieces: UInt64 = 0
    /// Pieces that had to be followed by another, because of the bounce limit or the kernel's.
    public internal(set) var splits: UInt64 = 0
    /// Blocks that were read because a write covered only part of them.
    public internal(set) var readModifyWrites: UInt64 = 0
    /// Transfers that came back short.
    public internal(set) var shortTransfers: UInt64 = 0
    /// Engine submissions that were made again after EINTR, EAGAIN or EINVAL.
    public internal(set) var retries: UInt64 = 0
    /// Calls that the kernel or the file does not support, and that were replaced by another way.
    public internal(set) var fallbacks: UInt64 = 0
    /// Engine submissions that had been carried out when the call that submitted them returned: by
    /// io_submit(2), or by the submitting thread itself (``OpenOptions/inlineLimit``). For io_submit(2) it is an
    /// estimate, because requests that were submitted earlier can complete during the call.
    public internal(set) var inlineCompletions: UInt64 = 0
    /// Engine submissions that the polling thread carried out itself because no thread could be created.
    public internal(set) var pollerOperations: UInt64 = 0
    /// Engine submissions that helper threads carried out because the image's engine cannot serve their host
    /// file, see ``BlockImage/engineReport``.
    public internal(set) var helperOperations: UInt64 = 0
    /// Requests that the format of the image made to its files, for those of the guest and for itself.
    public internal(set) var childRequests: UInt64 = 0
    /// Requests that waited because of a rate limit (``BlockImage/rateLimits``).
    public internal(set) var throttledRequests: UInt64 = 0
    /// How long they waited, in nanoseconds, those not counted that still wait.
    public internal(set) var throttledNanoseconds: UInt64 = 0
    /// Chunks of slots added because more than some 300 requests were open; they are given back when those
    /// have completed.
    public internal(set) var slotGrowths: UInt64 = 0
    /// Requests under way or not yet delivered.
    public internal(set) var outstanding: Int = 0

    /// Time from submission to completion, for each kind.
    public internal(set) var readLatency = LatencyHistogram()
    /// See ``readLatency``.
    public internal(set) var writeLatency = LatencyHistogram()
    /// See ``readLatency``.
    public internal(set) var flushLatency = LatencyHistogram()
}
