import Synchronization

/// An open disk image: a regular file or a block device.
///
/// Everything that is decided once is decided by ``open(_:_:)``: access, caching, lock, engine,
/// alignment, sector size. The image itself moves no data; open a ``BlockQueue`` on it.
///
/// An image is what a guest sees. Its bytes are in one file or device, or, when it was opened with a
/// format (``OpenOptions/format``), wherever the format says, in one file or several. Properties that
/// belong to a file, such as ``kind`` and ``alignment``, are those of the file it was opened with.
///
/// An image can be shared between threads: its properties are constants, but for size and
/// alignment, which are atomics that only the queue's pipeline changes, and for the engine, which
/// opening the first queue may change under a lock, and the rate limits, which are under a lock.
public final class BlockImage: Sendable {
    /// What holds the bytes of an image.
    @nonexhaustive
    public enum Kind: Sendable, Hashable {
        /// A regular file.
        case file
        /// A block device, whole or partition.
        case device
        /// Neither: storage that an engine of its own reaches, such as the disk in memory of the product
        /// BlockIOTesting.
        case backEnd
    }

    /// The path it was opened with; for an image opened from a descriptor or on a back end, the name it
    /// was given.
    public var pathname: Pathname { activeFile.pathname }
    /// The same as text, as ``Pathname/description`` has it.
    public var path: String { pathname.description }
    /// File, device or back end.
    public var kind: Kind { activeFile.kind }
    /// Read-only or read-write.
    public let access: OpenOptions.Access
    /// Direct or buffered.
    public var caching: OpenOptions.Caching { activeFile.caching }
    /// The lock that is held while the image lives; a back end has none.
    public var lock: OpenOptions.Lock { activeFile.lock }
    /// How the image's bytes lie in its files.
    public let format: OpenOptions.Format
    /// The guest's sector size in bytes.
    public let logicalBlockSize: Int
    /// What can be done with the image.
    public let capabilities: Capabilities
    /// The engine that runs it. With ``EngineChoice/auto`` it can change until the first queue is
    /// open: when it cannot serve a queue, the next suitable engine replaces it.
    public var engine: EngineKind { selection.engine }
    /// Each engine that was considered, taken or refused, and why. It changes with ``engine``.
    public var engineReport: EngineReport {
        var report = selection.report
        for file in files where !selection.engine.serves(file) {
            report.notes.append(
                "\(selection.engine) cannot serve \(file.pathname), which is \(file.caching), "
                    + "without blocking; helper threads do what is asked of it")
        }
        return report
    }

    /// The host files that the image consists of, the one it was opened with first.
    package let files: [HostFile]
    /// The file that the image was opened with. It decides which engine runs the image.
    package var activeFile: HostFile { files[0] }
    /// Finds the image's bytes in its files; `nil` for a raw image, whose bytes are those of its file.
    package let layout: (any ImageFormat)?
    let selection: EngineSelection
    /// ``size`` is a multiple of this and one more; 0 when it is not rounded up.
    private let roundingMask: UInt64
    /// What its queues agree on; `nil` when only one can write.
    let group: QueueGroup?
    let rateLimiter: RateLimiter
    private let queueLimit: Int
    private let openQueues = Atomic<Int>(0)
    private let metadataUnsynced = Atomic<Bool>(false)

    /// Size in bytes: that of the file or device, or the size that the format says, rounded up to a
    /// multiple of ``logicalBlockSize`` if the image was opened so (``OpenOptions/roundsUpSize``).
    public var size: UInt64 { roundedUp(contentSize) }

    /// The size of the image when its content has this size.
    func roundedUp(_ contentSize: UInt64) -> UInt64 {
        let (sum, carry) = contentSize.addingReportingOverflow(roundingMask)
        return (carry ? .max : sum) & ~roundingMask
    }

    /// The bytes that the image has before its size is rounded up.
    var contentSize: UInt64 { layout?.size ?? fileSize }

    /// The bytes that the file, device or back end has. What an image without a format has beyond them reads as
    /// zeroes and cannot be written to.
    public var fileSize: UInt64 { activeFile.size }

    /// What the host's kernel or the back end demands of addresses, lengths and positions. Requests need not obey
    /// it: what offends passes through a bounce buffer.
    public var alignment: HostAlignment { activeFile.alignment }

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
        try open(HostFile.open(pathname, options), options)
    }

    static func open(
        _ activeFile: HostFile, _ options: OpenOptions
    ) throws(BlockError) -> BlockImage {
        let path = activeFile.pathname.description
        let layout = try options.format.open?(activeFile, options)
        let files = layout?.files ?? [activeFile]
        // A file has one list of writes under way, which keeps those apart that share a block.
        let areDistinct = Set(files.map { ObjectIdentifier($0) }).count == files.count
        guard files.first === activeFile, files.count <= HostFile.limitOfImage, areDistinct else {
            throw BlockError(
                .corruptImage, operation: .open, image: path,
                detail:
                    "the format \(options.format) names \(files.count) files, of which the first is "
                    + "to be the image's own, none may come twice and \(HostFile.limitOfImage) are "
                    + "the most")
        }
        if let file = files.first(where: { $0.backEnd != nil }), files.count > 1 {
            throw BlockError(
                .engineUnavailable, operation: .open, image: path,
                detail:
                    "\(file.pathname) is on a back end, whose engine serves no other file, and the image "
                    + "has \(files.count)")
        }
        let canShare = options.queueLimit > 1 && options.access == .readWrite
        guard layout == nil || !canShare else {
            throw BlockError(
                .invalidOption, operation: .open, image: path,
                detail:
                    "queue limit \(options.queueLimit); an image of the format \(options.format) that is "
                    + "written to has one queue")
        }
        let group =
            canShare
            ? QueueGroup(
                of: activeFile, limit: options.queueLimit,
                logicalBlockSize: options.logicalBlockSize) : nil
        let size = layout?.size ?? activeFile.size
        let blockSize = UInt64(options.logicalBlockSize)
        var notes: [String] = []
        if size % blockSize != 0 {
            guard options.roundsUpSize else {
                throw BlockError(
                    .sizeNotMultiple, operation: .open, image: path,
                    detail: "size \(size) is not a multiple of the logical block size \(blockSize)")
            }
            let subject = layout != nil ? "image" : activeFile.kind.noun
            notes.append(
                "the size of the \(subject), \(size) bytes, is not a multiple of the "
                    + "logical block size \(blockSize), and is rounded up; reads beyond the end return "
                    + "zeroes, and writes there fail with ENOSPC")
        }
        if let group { notes += group.notes }
        let selection = try EngineSelection(options, activeFile, notes: notes)
        return BlockImage(files, layout, options, selection, group)
    }

    private init(
        _ files: [HostFile], _ layout: (any ImageFormat)?, _ options: OpenOptions,
        _ selection: EngineSelection, _ group: QueueGroup?
    ) {
        self.group = group
        rateLimiter = RateLimiter(options.rateLimits)
        queueLimit = options.queueLimit
        self.files = files
        self.layout = layout
        self.selection = selection
        access = options.access
        format = options.format
        logicalBlockSize = options.logicalBlockSize
        var capabilities = files[0].capabilities
        if let layout {
            // How large an image is need not depend on how large its file is.
            if options.access == .readWrite { capabilities.insert(.resize) }
            capabilities.formIntersection(layout.capabilities)
        }
        self.capabilities = capabilities
        roundingMask = options.roundsUpSize ? UInt64(options.logicalBlockSize - 1) : 0
    }

    /// Notes that a queue is to be opened.
    func claimQueue() throws(BlockError) {
        guard access == .readWrite else { return }
        var known = openQueues.load(ordering: .relaxed)
        while known < queueLimit {
            let (isDone, found) = openQueues.compareExchange(
                expected: known, desired: known + 1, ordering: .acquiringAndReleasing)
            if isDone { return }
            known = found
        }
        throw BlockError(
            .tooManyQueues, operation: .open, image: path,
            detail:
                "the image is open for writing with at most \(queueLimit) queues at a time, and all of "
                + "them are open; OpenOptions.queueLimit allows more")
    }

    /// Whether requests of the format's own have changed a file since the files were last flushed: a durable
    /// write may lie where only those changes say that it is.
    var hasUnsyncedMetadata: Bool {
        get { metadataUnsynced.load(ordering: .relaxed) }
        set { metadataUnsynced.store(newValue, ordering: .relaxed) }
    }

    /// A queue that was claimed is closed, or could not be opened.
    func releaseQueue() {
        if access == .readWrite { openQueues.subtract(1, ordering: .acquiringAndReleasing) }
    }
}

extension BlockImage.Kind {
    /// As messages call it.
    fileprivate var noun: String {
        switch self {
        case .file: "file"
        case .device: "device"
        case .backEnd: "back end"
        }
    }
}
