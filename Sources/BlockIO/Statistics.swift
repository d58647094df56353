/// What a queue has done since it was opened. Counters are 64 bits wide and only grow.
public struct BlockStatistics: Sendable, Hashable {
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
    /// Flushes.
    public internal(set) var flushes = Counter()
    /// Operations handed to the engine: more than requests when some were short or went in pieces.
    public internal(set) var kernelRequests: UInt64 = 0
    /// Transfers that came back short and were resumed.
    public internal(set) var shortTransfers: UInt64 = 0
    /// Operations that were given to the engine again after EINTR or EAGAIN.
    public internal(set) var retries: UInt64 = 0
    /// Chunks of slots added because more requests were open than ever before.
    public internal(set) var slotGrowths: UInt64 = 0
}
