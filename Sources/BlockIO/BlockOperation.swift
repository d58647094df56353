/// The verbs of a queue, and `open` for errors of ``BlockImage/open(_:_:)``.
@nonexhaustive
public enum BlockOperation: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Opening and probing the image.
    case open
    /// preadv(2).
    case read
    /// pwritev(2).
    case write
    /// fdatasync(2).
    case flush
    /// Telling the medium that a range is not needed: fallocate(2) FALLOC_FL_PUNCH_HOLE, BLKDISCARD.
    case discard
    /// Making a range read as zeroes: fallocate(2) FALLOC_FL_ZERO_RANGE, BLKZEROOUT, or buffers.
    case writeZeroes
    /// ftruncate(2).
    case resize

    /// As in messages: "read".
    public var description: String {
        switch self {
        case .open: "open"
        case .read: "read"
        case .write: "write"
        case .flush: "flush"
        case .discard: "discard"
        case .writeZeroes: "write zeroes"
        case .resize: "resize"
        }
    }
}

extension BlockOperation {
    /// What a flush has to make stable, and what must not go on beside a resize.
    var changesImage: Bool {
        switch self {
        case .write, .discard, .writeZeroes, .resize: true
        case .open, .read, .flush: false
        }
    }
}
