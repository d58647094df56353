import BlockHost
public import CBlockIO
public import Synchronization

/// What a queue keeps for one host file of its image. An image with a format has one more of these, for
/// the requests of its guest, which are not for any file: ``QueueCore/guest``.
///
/// It belongs to the thread that uses the queue, but for the two flags and the counter that are atomic: the
/// other queues of the image look at them, see ``QueueGroup``.
@usableFromInline
struct FileState: ~Copyable {
    let host: HostFile

    /// Copies of the file's alignment and size, which only this queue's pipeline changes.
    var limits = TransferLimits()
    /// What a direct write may reach: whole blocks.
    var wholeBlocksEnd: UInt64 = 0

    /// Writes under way, in the order in which they were made. Kept while the alignment is more than a byte,
    /// and empty where the queues of an image share them (``QueueGroup/sharesWrites``).
    var tracked = TrackedWrites()
    var flushes = FlushGroup()
    /// Writes that the engine has or is to get, and that are stable when it answers them (RWF_DSYNC).
    var durableSubmissions = 0
    /// The oldest resize under way, whether it has begun or not.
    var barrier: RequestPointer?
    /// What changes the file and was asked for after `barrier`, or during a resize of another queue, in order.
    var heldBack = RequestFIFO()
    /// Whether writes can take the fast path: the file is writable, no resize is under way, and the queue
    /// shares its writes with no other.
    @usableFromInline let acceptsFastWrites: Atomic<Bool>
    /// Whether no other queue of the image resizes it, and this queue knows the size that the last such
    /// resize left.
    let acceptsChanges = Atomic<Bool>(true)
    /// Requests under way that change the file: writes, discards, writes of zeroes.
    /// The fast path, which is inlined into callers, counts here.
    @usableFromInline let modifying = Atomic<Int>(0)
    /// The kernel does not know RWF_DSYNC (before Linux 4.7): a flush follows such a write.
    var lacksDurableWrite = false
    /// The image's engine cannot serve the file without blocking: helper threads do.
    let needsHelpers: Bool

    init(_ host: HostFile, needsHelpers: Bool) {
        self.host = host
        self.needsHelpers = needsHelpers
        acceptsFastWrites = Atomic(false)
    }

    var alignment: HostAlignment {
        HostAlignment(memory: Int(limits.memoryMask) + 1, offset: Int(limits.offsetMask) + 1)
    }
}

extension FileState {
    /// Counts a request that changes the file. Whether it may do that now is to be asked after this: another
    /// queue first says that it may not, and looks at the counter then.
    @inline(__always)
    @inlinable
    func countModifying() {
        modifying.store(modifying.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        cbio_keep_order()
    }

    /// Takes requests out of the count. What others have left in the mailbox is to be looked at after this.
    @inline(__always)
    @inlinable
    func uncountModifying(_ number: Int) {
        modifying.store(modifying.load(ordering: .relaxed) &- number, ordering: .releasing)
        cbio_keep_order()
    }

    var isModified: Bool { modifying.load(ordering: .acquiring) > 0 }
}
