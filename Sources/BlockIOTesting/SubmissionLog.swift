import BlockHost
public import BlockIO

/// What an engine was asked to do, in order: see ``QueueDecorator/logged(in:)``. Safe to share, although
/// unchecked: the list is under the lock.
public final class SubmissionLog: @unchecked Sendable {
    /// One engine submission.
    public struct Entry: Sendable, Hashable {
        /// What the engine was asked to do; a read that is made for a partial write is a read.
        public let operation: BlockOperation
        /// The first byte of the host file that it concerns; the new size for a resize.
        public let offset: UInt64
        /// Bytes concerned.
        public let length: UInt64
        /// Whether it is a write that is to be on stable storage when it is answered.
        public let isDurable: Bool
        /// The lengths of the buffers that its bytes are in.
        public let bufferLengths: [Int]
    }

    private let lock = PthreadMutex()
    private let list: StablePointer<[Entry]>

    /// An empty log.
    public init() {
        list = StablePointer(allocating: [])
    }

    deinit {
        unsafe list.destroy()
    }

    /// The submissions so far, the oldest first.
    public var entries: [Entry] {
        lock.lock()
        defer { lock.unlock() }
        return list.pointee
    }

    /// Removes all entries.
    public func clear() {
        lock.lock()
        defer { lock.unlock() }
        list.pointee = []
    }

    func add(_ entry: Entry) {
        lock.lock()
        defer { lock.unlock() }
        list.pointee.append(entry)
    }
}
