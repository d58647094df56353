import CBlockIO
import Glibc
import Synchronization

/// An open disk image: a regular file or a block device.
///
/// Everything that is decided once is decided by ``open(_:_:)``: access, caching, lock, engine,
/// alignment, sector size. The image itself moves no data; open a ``BlockQueue`` on it.
///
/// An image can be shared between threads: its properties are constants, but for size and
/// alignment, which are atomics that only the queue's pipeline changes, and for the engine, which
/// opening the first queue may change under a lock.
public final class BlockImage: Sendable {
    /// What stands behind the path.
    @nonexhaustive
    public enum Kind: Sendable, Hashable {
        /// A regular file.
        case file
        /// A block device, whole or partition.
        case device
    }

    /// What can be done with an image.
    public struct Capabilities: OptionSet, Sendable, Hashable {
        /// The bits.
        public let rawValue: UInt8
        /// From bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// ``BlockQueue/writev(_:at:durability:userData:)`` and its kin.
        public static let write = Capabilities(rawValue: 1 << 0)
        /// Flush reaches stable storage (fdatasync(2)).
        public static let flush = Capabilities(rawValue: 1 << 1)
        /// Single writes can be made stable (RWF_DSYNC).
        public static let durableWrite = Capabilities(rawValue: 1 << 2)
        /// ``BlockQueue/discard(at:length:userData:)``.
        public static let discard = Capabilities(rawValue: 1 << 3)
        /// ``BlockQueue/writeZeroes(at:length:userData:)``.
        public static let writeZeroes = Capabilities(rawValue: 1 << 4)
        /// ``BlockQueue/resize(to:userData:)``: files only.
        public static let resize = Capabilities(rawValue: 1 << 5)
    }

    /// The path it was opened with.
    public let pathname: Pathname
    /// The same as text, as ``Pathname/description`` has it.
    public var path: String { pathname.description }
    /// File or device.
    public let kind: Kind
    /// Read-only or read-write.
    public let access: OpenOptions.Access
    /// Direct or buffered.
    public let caching: OpenOptions.Caching
    /// The lock that is held while the image lives.
    public let lock: OpenOptions.Lock
    /// The guest's sector size in bytes.
    public let logicalBlockSize: Int
    /// What can be done with the image.
    public let capabilities: Capabilities
    /// The engine that runs it. With ``EngineChoice/auto`` it can change until the first queue is
    /// open: when it cannot serve a queue, the next suitable engine replaces it.
    public var engine: EngineKind { selection.engine }
    /// Each engine that was considered, taken or refused, and why. It changes with ``engine``.
    public var engineReport: EngineReport { selection.report }

    let selection: EngineSelection
    package let descriptor: CInt
    /// The process that opened the image.
    private let process = getpid()
    /// With the thread pool: the largest transfer, in bytes, that the submitting thread does itself;
    /// `nil` for an image whose transfers are not copies.
    let inlineLimit: UInt64?
    /// What discards and zeroes of a device are bound to; 1 for a file.
    let deviceSectorSize: Int
    private let sizeInBytes: Atomic<UInt64>
    /// ``size`` is a multiple of this and one more; 0 when it is not rounded up.
    private let roundingMask: UInt64
    private let memoryAlignment: Atomic<Int>
    private let offsetAlignment: Atomic<Int>
    private let isAlignmentFixed: Bool
    private let hasQueue = Atomic<Bool>(false)
    private let flushErrno = Atomic<CInt>(0)
    private let bufferedFile = Atomic<CInt>(-1)
    private let pagesUnsynced = Atomic<Bool>(false)

    /// Size in bytes: that of the file or device, rounded up to a multiple of ``logicalBlockSize`` if the
    /// image was opened so (``OpenOptions/roundsUpSize``).
    public var size: UInt64 { roundedUp(fileSize) }

    /// The size of the image when its file has this size.
    func roundedUp(_ fileSize: UInt64) -> UInt64 { (fileSize + roundingMask) & ~roundingMask }

    /// The bytes that the file or device has. What the image has beyond reads as zeroes and cannot be
    /// written to.
    public var fileSize: UInt64 { sizeInBytes.load(ordering: .acquiring) }

    /// What the host's kernel demands of addresses, lengths and positions. Requests need not obey
    /// it: what offends passes through a bounce buffer.
    public var alignment: HostAlignment {
        HostAlignment(
            memory: memoryAlignment.load(ordering: .acquiring),
            offset: offsetAlignment.load(ordering: .acquiring))
    }

    /// Opens `path`, which is text; for a path that need not be UTF-8 there is ``open(pathname:_:)``.
    ///
    /// The descriptor is never 0, 1 or 2, even if the program was started without one of them: what it
    /// prints does not end up in the image.
    ///
    /// A write past the limit RLIMIT_FSIZE of the process fails with EFBIG, but the kernel also sends the
    /// signal SIGXFSZ, which ends the process unless it is ignored or handled (setrlimit(2)). Signals are the
    /// program's business, so this library leaves them alone: a program whose guests decide where to
    /// write calls `signal(SIGXFSZ, SIG_IGN)` before it opens an image.
    ///
    /// - Throws: ``BlockError`` whose code says which step refused; nothing stays open or locked.
    public static func open(
        _ path: String, _ options: OpenOptions = OpenOptions()
    ) throws(BlockError) -> BlockImage {
        try open(pathname: Pathname(path), options)
    }

    /// Opens `pathname`, whatever bytes it has, as ``open(_:_:)`` does.
    ///
    /// - Throws: ``BlockError`` whose code says which step refused; nothing stays open or locked.
    public static func open(
        pathname: Pathname, _ options: OpenOptions = OpenOptions()
    ) throws(BlockError) -> BlockImage {
        let file = try ImageFile.open(pathname, options)
        do throws(BlockError) {
            try ImageLock.take(
                options.effectiveLock, access: options.access, descriptor: file.descriptor,
                path: pathname)
            let selection = try EngineSelection(options, file, path: pathname)
            return BlockImage(pathname, options, file, selection)
        } catch {
            ImageLock.release(descriptor: file.descriptor)
            close(file.descriptor)
            throw error
        }
    }

    private init(
        _ path: Pathname, _ options: OpenOptions, _ file: ImageFile, _ selection: EngineSelection
    ) {
        pathname = path
        kind = file.kind
        access = options.access
        caching = options.caching
        lock = options.effectiveLock
        logicalBlockSize = options.logicalBlockSize
        var capabilities: Capabilities = [.flush]
        if options.access == .readWrite {
            capabilities.formUnion([.write, .durableWrite, .discard, .writeZeroes])
            if file.kind == .file { capabilities.insert(.resize) }
        }
        self.capabilities = capabilities
        self.selection = selection
        inlineLimit =
            EngineEvidence.memoryBacking(file) == nil ? nil : UInt64(options.inlineLimit)
        descriptor = file.descriptor
        deviceSectorSize = file.deviceSectorSize
        sizeInBytes = Atomic(file.size)
        roundingMask = options.roundsUpSize ? UInt64(options.logicalBlockSize - 1) : 0
        memoryAlignment = Atomic(file.alignment.memory)
        offsetAlignment = Atomic(file.alignment.offset)
        isAlignmentFixed = options.alignment != nil || options.caching == .buffered
    }

    deinit {
        // Not left to close(2): a child of fork(2) or a ring on its way out may still hold the
        // open file description. Such a child leaves the lock alone, which it shares.
        if getpid() == process { ImageLock.release(descriptor: descriptor) }
        close(descriptor)
        let buffered = bufferedFile.load(ordering: .acquiring)
        if buffered >= 0 { close(buffered) }
    }

    /// Read-modify-write is serialised within one queue, so a writable image has only one.
    func claimQueue() throws(BlockError) {
        guard access == .readWrite else { return }
        let (claimed, _) = hasQueue.compareExchange(
            expected: false, desired: true, ordering: .acquiringAndReleasing)
        if !claimed { throw BlockError(.queueExists, operation: .open, image: path) }
    }

    func releaseQueue() { hasQueue.store(false, ordering: .releasing) }
}

// What the pipeline finds out while the image is in use.
extension BlockImage {
    /// Asks for the size again; true when it has changed.
    func refreshSize() -> Bool {
        var now: UInt64 = 0
        let result =
            kind == .device
            ? cbio_device_size(descriptor, &now) : cbio_file_size(descriptor, &now)
        guard result == 0, now != fileSize else { return false }
        sizeInBytes.store(now, ordering: .releasing)
        return true
    }

    /// Asks for the alignment again.
    func refreshAlignment() {
        guard !isAlignmentFixed,
            let answer = HostAlignment.probe(
                descriptor: descriptor, isBlockDevice: kind == .device)
        else { return }
        memoryAlignment.store(answer.memory, ordering: .releasing)
        offsetAlignment.store(answer.offset, ordering: .releasing)
    }

    /// The errno of the first flush that failed, 0 when none has. The kernel may have dropped the pages
    /// it could not write, and a device what was in its cache; both are reported only once (fsync(2),
    /// "ERRORS"), so a later flush that succeeds would say nothing about them.
    var flushFailure: CInt { flushErrno.load(ordering: .relaxed) }

    func flushFailed(_ errno: CInt) {
        _ = flushErrno.compareExchange(expected: 0, desired: errno, ordering: .relaxed)
    }

    /// Whether data may be in the page cache that no flush has covered, although the image is direct: the
    /// bytes behind the last whole block are written there, and where fallocate(2) and ftruncate(2) clear
    /// part of a block of the file system, they do it there too.
    package internal(set) var hasUnsyncedPages: Bool {
        get { pagesUnsynced.load(ordering: .relaxed) }
        set { pagesUnsynced.store(newValue, ordering: .relaxed) }
    }

    /// Whether data has gone through the page cache beside the direct descriptor.
    var hasBufferedDescriptor: Bool { bufferedFile.load(ordering: .acquiring) >= 0 }

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
