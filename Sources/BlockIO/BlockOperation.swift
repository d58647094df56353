/// What a request does; and `open`, for errors of ``BlockImage/open(_:_:)``.
@nonexhaustive
public enum BlockOperation: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// The opening of an image, which is not a request.
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
    /// Whether it changes what the image holds: a flush has to make that stable, and a resize excludes it.
    var changesImage: Bool {
        switch self {
        case .write, .discard, .writeZeroes, .resize: true
        case .open, .read, .flush: false
        }
    }
}
