import CBlockIO
import Glibc
import Synchronization

/// An open disk image: a regular file or a block device.
///
/// Everything that is decided once is decided by ``open(_:_:)``: access, caching, lock, engine,
/// alignment, sector size. The image itself moves no data; open a ``BlockQueue`` on it.
///
/// An image can be shared between threads: all its properties are constants but the size, which
/// is an atomic.
public final class BlockImage: Sendable {
    /// What stands behind the path.
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
    }

    /// The path it was opened with.
    public let path: String
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
    /// What the host's kernel demands of addresses, lengths and positions.
    public let alignment: HostAlignment
    /// What can be done with the image.
    public let capabilities: Capabilities
    /// The engine that runs it.
    public let engine: EngineKind
    /// Each engine that was considered, taken or refused, and why.
    public let engineReport: EngineReport

    let descriptor: CInt
    private let sizeInBytes: Atomic<UInt64>
    private let hasQueue = Atomic<Bool>(false)

    /// Size in bytes, a multiple of ``logicalBlockSize``.
    public var size: UInt64 { sizeInBytes.load(ordering: .acquiring) }

    /// Opens `path`.
    ///
    /// - Throws: ``BlockError`` whose code says which step refused; nothing stays open or locked.
    public static func open(
        _ path: String, _ options: OpenOptions = OpenOptions()
    ) throws(BlockError) -> BlockImage {
        let file = try ImageFile.open(path, options)
        do throws(BlockError) {
            try ImageLock.take(
                options.effectiveLock, access: options.access, descriptor: file.descriptor,
                path: path)
            let (engine, report) = try EngineSelection.select(
                options.engine, descriptor: file.descriptor, caching: options.caching, path: path)
            return BlockImage(path, options, file, engine, report)
        } catch {
            ImageLock.release(descriptor: file.descriptor)
            close(file.descriptor)
            throw error
        }
    }

    private init(
        _ path: String, _ options: OpenOptions, _ file: ImageFile, _ engine: EngineKind,
        _ report: EngineReport
    ) {
        self.path = path
        kind = file.kind
        access = options.access
        caching = options.caching
        lock = options.effectiveLock
        logicalBlockSize = options.logicalBlockSize
        alignment = file.alignment
        capabilities = options.access == .readWrite ? [.write, .flush, .durableWrite] : [.flush]
        self.engine = engine
        engineReport = report
        descriptor = file.descriptor
        sizeInBytes = Atomic(file.size)
    }

    deinit {
        // Not left to close(2): a child of fork(2) or a ring on its way out may still hold the
        // open file description.
        ImageLock.release(descriptor: descriptor)
        close(descriptor)
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
