import BlockHost
import CBlockIO
import Glibc
import Synchronization

/// Where the bytes of an image are, with everything that the pipeline and the engines have to know of
/// it: an open descriptor of a regular file or block device, or a ``BackEnd``.
///
/// A ``BlockImage`` is what a guest sees; a host file is where its bytes are. An image without a format
/// has one host file. What the pipeline asks is the same whatever is behind it; only the engine that was
/// opened for it knows. A host file can be shared between threads: its properties are constants, but for
/// size, alignment and the state of its stability, which are atomics.
package final class HostFile: Sendable {
    /// The path it was opened with; on a back end, the name it was given.
    package let pathname: Pathname
    /// File, device or back end.
    package let kind: BlockImage.Kind
    /// Read-only or read-write.
    package let access: OpenOptions.Access
    /// Direct or buffered.
    package let caching: OpenOptions.Caching
    /// The lock that is held while the file is open; ``OpenOptions/Lock/off`` on a back end.
    package let lock: OpenOptions.Lock
    /// What an image can do whose bytes are those of this file.
    let capabilities: BlockImage.Capabilities

    /// -1 on a back end.
    package let descriptor: CInt
    /// What takes the place of a descriptor; `nil` for a file or device of this host.
    let backEnd: (any BackEnd)?
    /// st_rdev of a device.
    let device: UInt64
    /// What the file system had allocated (st_blocks) when the file was opened, which for a sparse file is
    /// less than the size.
    let allocatedBytes: UInt64
    /// What discards and zeroes of a device are bound to; 1 for a file.
    let deviceSectorSize: Int
    /// What memory the file is in, if it is in any: a sentence for the engine report.
    let memoryBacking: String?
    /// With the thread pool: the largest transfer, in bytes, that the submitting thread does itself;
    /// `nil` for a file whose transfers are not copies.
    let inlineLimit: UInt64?

    /// The most files of one image.
    package static let limitOfImage = 64

    /// The process that opened the file.
    private let process = getpid()
    /// Flags of the open file description that are put back when the file is closed; `nil` when none are.
    private let restoredFlags: CInt?
    private let sizeInBytes: Atomic<UInt64>
    /// Of memory in the lower half, and of offsets in the upper one.
    private let alignments: Atomic<UInt64>
    /// Held while size or alignment is asked for and stored, so that the latest answer stays.
    private let asking = PthreadMutex()
    /// Held while a thread makes stable what was written: see ``synchronize()``.
    private let synchronizing = PthreadMutex()
    private let isAlignmentFixed: Bool
    private let flushErrno = Atomic<CInt>(0)
    private let bufferedFile = Atomic<CInt>(-1)
    /// Requests under way that may change a part of a block through the page cache, of all queues.
    private let pageCacheUsers = Atomic<Int>(0)
    /// How many such requests there have been.
    private let pageCacheUses = Atomic<UInt64>(0)
    /// How many of them a flush has covered.
    private let stableUses = Atomic<UInt64>(0)

    /// A back end has said that what it is given by `bufferedWrite` goes another way than its writes.
    private let backEndHasTwoWays = Atomic<Bool>(false)

    /// Takes over the descriptor, with the lock that is held on it.
    init(
        _ pathname: Pathname, _ options: OpenOptions, _ examination: HostFileExamination,
        restoredFlags: CInt? = nil
    ) {
        self.pathname = pathname
        self.restoredFlags = restoredFlags
        kind = examination.kind
        access = options.access
        caching = options.caching
        lock = options.effectiveLock
        capabilities = BlockImage.Capabilities(
            of: examination.kind == .file ? .all : .ofDevice, options.access)
        descriptor = examination.descriptor
        backEnd = nil
        device = examination.device
        allocatedBytes = examination.allocatedBytes
        deviceSectorSize = examination.deviceSectorSize
        memoryBacking = examination.memoryBacking
        inlineLimit = memoryBacking == nil ? nil : UInt64(options.inlineLimit)
        sizeInBytes = Atomic(examination.size)
        alignments = Atomic(examination.alignment.packed)
        isAlignmentFixed = options.alignment != nil || options.caching == .buffered
    }

    /// On a back end that has been examined.
    init(
        _ name: Pathname, _ options: OpenOptions, _ backEnd: any BackEnd, size: UInt64,
        _ alignment: HostAlignment
    ) {
        pathname = name
        restoredFlags = nil
        kind = .backEnd
        access = options.access
        caching = options.caching
        lock = .off
        capabilities = BlockImage.Capabilities(of: backEnd.capabilities, options.access)
        descriptor = -1
        self.backEnd = backEnd
        device = 0
        allocatedBytes = 0
        deviceSectorSize = 1
        memoryBacking = nil
        inlineLimit = nil
        sizeInBytes = Atomic(size)
        alignments = Atomic(alignment.packed)
        isAlignmentFixed = options.alignment != nil
    }

    deinit {
        if backEnd != nil { return }
        // Not left to close(2): a child of fork(2) or a ring on its way out may still hold the
        // open file description. Such a child leaves the description alone, which it shares.
        if getpid() == process {
            // The description may be shared with an image that has a lock.
            if lock != .off { ImageLock.release(descriptor: descriptor) }
            if let restoredFlags { cbio_restore_flags(descriptor, restoredFlags) }
        }
        close(descriptor)
        let buffered = bufferedFile.load(ordering: .acquiring)
        if buffered >= 0 { close(buffered) }
    }

    /// The bytes that the file, device or back end has.
    package var size: UInt64 { sizeInBytes.load(ordering: .acquiring) }

    /// What the host's kernel or the back end demands of addresses, lengths and positions.
    package var alignment: HostAlignment {
        HostAlignment(packed: alignments.load(ordering: .acquiring))
    }

    /// Whether data may be in the page cache that no flush has covered, although the file is direct: the
    /// bytes behind the last whole block are written there, and where fallocate(2) and ftruncate(2) clear
    /// part of a block of the file system, they do it there too.
    package var hasUnsyncedPages: Bool {
        pageCacheUses.load(ordering: .acquiring) != stableUses.load(ordering: .acquiring)
    }

    /// Whether requests on a direct file can leave something in the page cache. Those on a device do that only
    /// behind its last whole block.
    var mayUsePageCache: Bool { kind == .file || !size.isMultiple(of: UInt64(alignment.offset)) }

    /// A request begins that may leave something in the page cache.
    func beginPageCacheUse() {
        // In this order: see `stablePageCacheUses`.
        pageCacheUsers.add(1, ordering: .sequentiallyConsistent)
        pageCacheUses.add(1, ordering: .sequentiallyConsistent)
    }

    /// Such a request completes.
    func endPageCacheUse() { pageCacheUsers.subtract(1, ordering: .sequentiallyConsistent) }

    /// How many of those requests a flush covers that begins now. While any is under way it is not known of the
    /// others either.
    var stablePageCacheUses: UInt64 {
        let uses = pageCacheUses.load(ordering: .sequentiallyConsistent)
        // One that is counted here counts as a user since before.
        let isQuiet = pageCacheUsers.load(ordering: .sequentiallyConsistent) == 0
        return isQuiet ? uses : 0
    }

    /// A flush has succeeded that covers so many of them.
    func pagesAreStable(upTo uses: UInt64) {
        stableUses.max(uses, ordering: .acquiringAndReleasing)
    }
}

// What the pipeline finds out while the file is in use.
extension HostFile {
    /// Asks for the size again; true when it has changed.
    @discardableResult
    func refreshSize() -> Bool {
        asking.lock()
        defer { asking.unlock() }
        guard let now = askedSize(), now != size else { return false }
        sizeInBytes.store(now, ordering: .releasing)
        return true
    }

    /// The size as it is now; `nil` when there is no answer, or none that is a size.
    private func askedSize() -> UInt64? {
        if let backEnd {
            let now = backEnd.size
            return Self.isSize(now) ? now : nil
        }
        var now: UInt64 = 0
        let result =
            kind == .device
            ? unsafe cbio_device_size(descriptor, &now) : unsafe cbio_file_size(descriptor, &now)
        return result == 0 ? now : nil
    }

    /// Whether a file can have so many bytes: off_t is signed.
    static func isSize(_ bytes: UInt64) -> Bool { bytes <= UInt64(Int64.max) }

    /// Asks for the alignment again.
    func refreshAlignment() {
        asking.lock()
        defer { asking.unlock() }
        guard !isAlignmentFixed, let answer = askedAlignment() else { return }
        alignments.store(answer.packed, ordering: .releasing)
    }

    /// What is demanded now; `nil` when there is no answer, or none that is an alignment.
    private func askedAlignment() -> HostAlignment? {
        if let backEnd {
            let now = backEnd.alignment
            return now.isValid ? now : nil
        }
        return HostAlignment.probe(descriptor: descriptor, isBlockDevice: kind == .device)
    }

    /// The errno of the first flush that failed, 0 when none has. The kernel may have dropped the pages
    /// it could not write, and a device what was in its cache; both are reported only once (fsync(2),
    /// "ERRORS"), so a later flush that succeeds would say nothing about them.
    var flushFailure: CInt { flushErrno.load(ordering: .relaxed) }

    func flushFailed(_ errno: CInt) {
        _ = flushErrno.compareExchange(expected: 0, desired: errno, ordering: .relaxed)
    }

    /// Makes stable what was written, while no other queue of the image does. The kernel tells one call alone of
    /// a failure: the next one must know of it, whenever the queue of the first hears. Returns 0 or -errno.
    func synchronize() -> Int64 {
        synchronizing.lock()
        defer { synchronizing.unlock() }
        if flushFailure != 0 { return -Int64(flushFailure) }
        // Each descriptor is told of a failed write-back by itself.
        let buffered = hasBufferedDescriptor ? cbio_fdatasync(bufferedDescriptor()) : 0
        let direct = cbio_fdatasync(descriptor)
        // A loss comes first: the kernel does not report it again, and the other error may lead to a retry.
        let isDirectLoss = Self.saysLoss(direct) && !Self.saysLoss(buffered)
        let answer = buffered < 0 && !isDirectLoss ? buffered : direct
        if Self.saysLoss(answer) { flushFailed(CInt(truncatingIfNeeded: -answer)) }
        return answer
    }

    /// Whether an answer of fdatasync(2) says that something that was written has been lost.
    private static func saysLoss(_ answer: Int64) -> Bool {
        switch CInt(truncatingIfNeeded: -answer) {
        // Success, an error that passes, or one that is not of what was written.
        case 0, EINTR, EAGAIN, ECANCELED, EINVAL: false
        default: true
        }
    }

    /// Whether data has gone through the page cache beside the direct descriptor, or another way than
    /// writes in a back end.
    var hasBufferedDescriptor: Bool {
        bufferedFile.load(ordering: .acquiring) >= 0
            || backEndHasTwoWays.load(ordering: .relaxed)
    }

    /// Said by the engine of a back end that is asked for a `bufferedWrite`, if a `synchronize` does not
    /// make stable what goes that way: from now on a flush is a `synchronizeBoth`.
    package func hasUsedSecondWay() {
        precondition(backEnd != nil, "only a back end says so: a descriptor's second way is seen")
        backEndHasTwoWays.store(true, ordering: .relaxed)
    }

    /// A buffered descriptor of the same file, opened at first use; -errno when it cannot be.
    package func bufferedDescriptor() -> CInt {
        let known = bufferedFile.load(ordering: .acquiring)
        if known >= 0 { return known }
        let opened = cbio_reopen_buffered(descriptor)
        guard opened >= 0 else { return opened }
        let (isFirst, other) = bufferedFile.compareExchange(
            expected: -1, desired: opened, ordering: .acquiringAndReleasing)
        if isFirst { return opened }
        close(opened)
        return other
    }
}
