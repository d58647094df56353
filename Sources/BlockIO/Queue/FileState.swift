/// What a queue keeps for one host file of its image. An image with a format has one more of these, for
/// the requests of its guest, which are not for any file: ``QueueCore/guest``.
@usableFromInline
struct FileState {
    let host: HostFile

    // Copies of the file's, which only this queue's pipeline changes.
    var memoryMask: UInt = 0
    var offsetMask: UInt = 0
    /// That of the file: what the image has beyond it is never the engine's.
    var size: UInt64 = 0
    /// What a direct write may reach: whole blocks.
    var wholeBlocksEnd: UInt64 = 0

    /// Writes under way, in the order in which they were made; kept while blocks matter.
    var tracked = TrackedWrites()
    var flushes = FlushGroup()
    /// The oldest resize under way, whether it has begun or not.
    var barrier: RequestPointer?
    /// What changes the file and was asked for after `barrier`, in order.
    var heldBack = RequestFIFO()
    /// Requests under way that change the file: writes, discards, writes of zeroes.
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
        HostAlignment(memory: Int(memoryMask) + 1, offset: Int(offsetMask) + 1)
    }
}

/// The memory of a queue's file states, whose addresses never change.
@usableFromInline
struct FileStates: ~Copyable {
    @usableFromInline let base: UnsafeMutablePointer<FileState>
    let count: Int

    init(_ states: [FileState]) {
        count = states.count
        base = .allocate(capacity: count)
        for (index, state) in states.enumerated() { (base + index).initialize(to: state) }
    }

    deinit {
        base.deinitialize(count: count)
        base.deallocate()
    }

    subscript(index: Int) -> UnsafeMutablePointer<FileState> { base + index }
}
