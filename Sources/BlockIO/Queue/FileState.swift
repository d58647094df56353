/// What a queue keeps for one host file of its image. An image with a format has one more of these, for
/// the requests of its guest, which are not for any file: ``QueueCore/guest``.
@usableFromInline
struct FileState {
    let host: HostFile

    /// Copies of the file's alignment and size, which only this queue's pipeline changes.
    var limits = TransferLimits()
    /// What a direct write may reach: whole blocks.
    var wholeBlocksEnd: UInt64 = 0

    /// Writes under way, in the order in which they were made. Kept while the alignment is more than a byte.
    var tracked = TrackedWrites()
    var flushes = FlushGroup()
    /// The oldest resize under way, whether it has begun or not.
    var barrier: RequestPointer?
    /// What changes the file and was asked for after `barrier`, in order.
    var heldBack = RequestFIFO()
    /// Requests under way that change the file: writes, discards, writes of zeroes.
    /// The fast path, which is inlined into callers, counts here.
    @usableFromInline var modifying = 0
    /// Requests of a direct file under way that may change a part of a block through the page cache.
    var pageCacheUsers = 0
    /// The kernel does not know RWF_DSYNC (before Linux 4.7): a flush follows such a write.
    var lacksDurableWrite = false
    /// The image's engine cannot serve the file without blocking: helper threads do.
    let needsHelpers: Bool

    init(_ host: HostFile, needsHelpers: Bool) {
        self.host = host
        self.needsHelpers = needsHelpers
    }

    var alignment: HostAlignment {
        HostAlignment(memory: Int(limits.memoryMask) + 1, offset: Int(limits.offsetMask) + 1)
    }
}
