import BlockHost
import Glibc

/// Everything that can go wrong in this library, in one type.
///
/// A completion carries only the code and the errno; the rest is filled in where a person will
/// read it (``BlockCompletion/get(on:)``), so that a failing request costs no allocation.
public struct BlockError: Error, Sendable, Hashable {
    /// What went wrong, for programs.
    @nonexhaustive
    public enum Code: UInt8, Sendable, Hashable {
        /// The path does not exist (ENOENT, ENOTDIR, ELOOP, ENXIO).
        case notFound
        /// The rights of the path or of the file system do not allow the access (EACCES, EPERM,
        /// EROFS).
        case permissionDenied
        /// A directory, FIFO, socket or character device.
        case wrongFileType
        /// O_DIRECT was asked for and this file cannot do it.
        case directIOUnavailable
        /// The block device is mounted, or claimed by another holder (EBUSY on O_EXCL).
        case deviceBusy
        /// Another process holds a lock that excludes the one asked for.
        case locked
        /// The file system cannot lock (ENOLCK, EOPNOTSUPP, EINVAL); see ``OpenOptions/lock``.
        case lockUnavailable
        /// The size is not a multiple of the logical block size, and ``OpenOptions/roundsUpSize`` is off.
        case sizeNotMultiple
        /// An option is outside its documented range.
        case invalidOption
        /// The engine asked for cannot work here; ``BlockError/detail`` says why.
        case engineUnavailable
        /// As many queues of a writable image are open as it may have (``OpenOptions/queueLimit``).
        case tooManyQueues
        /// A write to an image opened read-only.
        case readOnly
        /// Part of the request lies outside the image.
        case outOfRange
        /// A request would change a part of a block of the host, in a writable image that may have several
        /// queues (``OpenOptions/queueLimit``) and whose sectors are multiples of the block.
        case partialBlock
        /// The image cannot do what was asked: a block device cannot be resized.
        case unsupported
        /// What the image's format says contradicts itself, or leads outside the image's files.
        case corruptImage
        /// Ended early because it was cancelled; part of it may have been done.
        case cancelled
        /// The queue is closed.
        case closed
        /// The medium ended before the request did: the file was truncated underneath; or, with ENOSPC, a
        /// write reaches beyond the end of a file whose size was rounded up (``OpenOptions/roundsUpSize``).
        case endOfMedium
        /// The kernel or the device answered with an error; ``BlockError/errno`` has it.
        case system
    }

    /// What went wrong.
    public let code: Code
    /// The errno behind it, 0 when the library itself refused.
    public let errno: CInt
    /// What was being done.
    public let operation: BlockOperation
    /// The bytes that the request was for; `nil` for open, flush and resize, and for a request whose end
    /// does not fit in 64 bits. They need not be inside the image: see ``Code-swift.enum/outOfRange``.
    public let range: Range<UInt64>?
    /// The path the image was opened with, as ``Pathname/description`` has it.
    public let image: String
    /// For people: what happened, and what to do about it.
    public let detail: String

    package init(
        _ code: Code, errno: CInt = 0, operation: BlockOperation, range: Range<UInt64>? = nil,
        image: String, detail: String = ""
    ) {
        self.code = code
        self.errno = errno
        self.operation = operation
        self.range = range
        self.image = image
        self.detail = detail.isEmpty ? code.explanation : detail
    }
}

extension BlockError.Code {
    /// The sentence used when the place of the error has nothing more precise to say.
    var explanation: String {
        switch self {
        case .notFound: "no such file or device"
        case .permissionDenied: "permission denied"
        case .wrongFileType: "not a regular file or block device"
        case .directIOUnavailable: "this file cannot do direct I/O; open it buffered"
        case .deviceBusy: "the device is mounted or claimed by another holder"
        case .locked: "locked by another process"
        case .lockUnavailable:
            "this file system cannot lock; open the image without a lock: OpenOptions.lock = .off, "
                + "or lock=off on the command line"
        case .sizeNotMultiple: "the size is not a multiple of the logical block size"
        case .invalidOption: "an option is outside its range"
        case .engineUnavailable: "the engine cannot be used here"
        case .tooManyQueues: "all queues that the image may have are open"
        case .readOnly: "the image is open read-only"
        case .outOfRange: "the request reaches outside the image"
        case .partialBlock:
            "the request begins or ends inside a block of the host, which several queues cannot change "
                + "safely; use whole sectors, and open the image again if the device's block has become "
                + "larger"
        case .unsupported: "a block device cannot be resized, only a file can"
        case .corruptImage:
            "the image is damaged: its format leads outside its files or contradicts itself"
        case .cancelled: "the request was cancelled"
        case .closed: "the queue is closed"
        case .endOfMedium: "the medium ended before the request did; was the file truncated?"
        case .system: "the kernel refused the request"
        }
    }
}

extension BlockError: CustomStringConvertible {
    /// One line: operation, image, range, what to do, and the errno.
    public var description: String {
        var text = "\(operation) \(image)"
        if let range { text += " [\(range.lowerBound), \(range.upperBound))" }
        text += ": \(detail)"
        if errno != 0 { text += " (\(errnoText(errno)))" }
        return text
    }
}

extension BlockError {
    /// What ENOSPC means with ``Code/endOfMedium``.
    static let beyondTheFile =
        "the write reaches beyond the end of the file, whose size is not a multiple of the logical block "
        + "size; nothing was written"
}
