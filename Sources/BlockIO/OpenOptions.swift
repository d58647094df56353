/// How to open an image. Everything here is decided once, at ``BlockImage/open(_:_:)``.
public struct OpenOptions: Sendable, Hashable {
    /// What the image may be used for.
    public enum Access: Sendable, Hashable {
        /// Writes complete with ``BlockError/Code/readOnly``.
        case readOnly
        /// Reads and writes; a block device is opened O_EXCL, so a mounted one is refused.
        case readWrite
    }

    /// How data goes through the kernel.
    public enum Caching: Sendable, Hashable {
        /// O_DIRECT: data goes between device and buffers without the page cache. When the file does not
        /// support it, the open fails; the image is never opened buffered instead.
        case direct
        /// Through the page cache.
        case buffered
    }

    /// Advisory lock against other openers, this library's and QEMU's, on byte ranges as QEMU has them.
    public enum Lock: Sendable, Hashable {
        /// No lock, and no look at the locks of others.
        case off
        /// Others may read, none may write.
        case shared
        /// Nobody else may open the image.
        case exclusive
    }

    /// Rights; read-only by default.
    public var access: Access
    /// Direct by default.
    public var caching: Caching
    /// `nil`, the default, is exclusive for a writable image and shared for a read-only one.
    public var lock: Lock?
    /// Which engine moves the bytes; by default the best that works for this image.
    public var engine: EngineChoice
    /// The guest's sector size in bytes: a power of two from 512 to 65536. It is independent of
    /// the host's alignment. The image's size is a multiple of it, see ``roundsUpSize``.
    public var logicalBlockSize: Int
    /// What becomes of a file or device whose size is not a multiple of ``logicalBlockSize``: when true, the
    /// default, the image's size is rounded up, as in QEMU; when false, the open fails with
    /// ``BlockError/Code/sizeNotMultiple``.
    ///
    /// Bytes of the image beyond the file's end read as zeroes. A write that reaches beyond it moves nothing
    /// and fails with ``BlockError/Code/endOfMedium`` and ENOSPC; discards and zeroes there do nothing. So
    /// the file never becomes longer, but by ``BlockQueue/resize(to:userData:)``.
    public var roundsUpSize: Bool

    /// How the image's bytes lie in its files; ``Format/raw`` by default. It is never guessed from what a
    /// file contains, because a guest that writes a header of another format into a raw image could then
    /// have files opened that it names there.
    public var format: Format
    /// How many queues a writable image may have at a time, from 1, the default, to 256. An image with a
    /// format that is opened for writing has one: more fail with ``BlockError/Code/invalidOption``. An image
    /// opened read-only has as many queues as are wanted.
    ///
    /// With more than one, requests of one queue can wait for those of another: a resize for all that
    /// change the image, and, where a sector (``logicalBlockSize``) is smaller than the host's block
    /// (``HostAlignment/offset``), writes for others that touch the same block. So each queue that has
    /// requests must be attended to, by a thread that waits in it or that polls it when its
    /// ``BlockQueue/descriptor`` is readable. A thread that serves several queues of an image waits on their
    /// descriptors, and not in one of the queues while another has requests.
    ///
    /// Where sectors are multiples of the host's block, queues know nothing of each other's writes and
    /// cost no more than one. A write, discard or write of zeroes that begins or ends inside a block of the
    /// host then fails with ``BlockError/Code/partialBlock``.
    public var queueLimit: Int
    /// How many requests and bytes the image lets through in a time; without limits by default.
    /// ``BlockImage/setRateLimits(_:)`` changes them later.
    public var rateLimits: RateLimits

    /// The alignment to use in place of what the kernel says about addresses, lengths and positions: for
    /// tests, and for a device that demands more than it says. `nil`, the default, asks the kernel.
    public var alignment: HostAlignment?
    /// Largest transfer, in bytes, that the submitting thread copies itself, with ``EngineKind/threadPool`` on
    /// an image in memory; larger ones go to other threads. 64 KiB by default.
    public var inlineLimit: Int

    /// Options with the defaults described at each property.
    public init(
        access: Access = .readOnly, caching: Caching = .direct, lock: Lock? = nil,
        engine: EngineChoice = .auto, logicalBlockSize: Int = 512, roundsUpSize: Bool = true,
        format: Format = .raw, queueLimit: Int = 1, rateLimits: RateLimits = RateLimits(),
        alignment: HostAlignment? = nil, inlineLimit: Int = 64 << 10
    ) {
        self.access = access
        self.caching = caching
        self.lock = lock
        self.engine = engine
        self.logicalBlockSize = logicalBlockSize
        self.roundsUpSize = roundsUpSize
        self.format = format
        self.queueLimit = queueLimit
        self.rateLimits = rateLimits
        self.alignment = alignment
        self.inlineLimit = inlineLimit
    }

    var effectiveLock: Lock { lock ?? (access == .readWrite ? .exclusive : .shared) }

    func validate(image: String) throws(BlockError) {
        guard (512...65536).contains(logicalBlockSize),
            logicalBlockSize & (logicalBlockSize - 1) == 0
        else {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "logical block size \(logicalBlockSize) is not a power of two from 512 to "
                    + "65536")
        }
        if let alignment, !alignment.isValid {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "alignment \(alignment.memory), \(alignment.offset) is not made of powers "
                    + "of two up to 1 MiB")
        }
        guard inlineLimit >= 0 else {
            throw BlockError(
                .invalidOption, operation: .open, image: image, detail: "inline limit below 0")
        }
        guard (1...256).contains(queueLimit) else {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "queue limit \(queueLimit) is outside 1 to 256")
        }
        try rateLimits.validate(image: image)
    }
}
