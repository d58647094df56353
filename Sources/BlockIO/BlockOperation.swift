/// The verbs of a queue, and `open` for errors of ``BlockImage/open(_:_:)``.
public enum BlockOperation: UInt8, Sendable, Hashable, CustomStringConvertible {
    /// Opening and probing the image.
    case open
    /// preadv(2).
    case read
    /// pwritev(2).
    case write
    /// fdatasync(2).
    case flush

    /// As in messages: "read".
    public var description: String {
        switch self {
        case .open: "open"
        case .read: "read"
        case .write: "write"
        case .flush: "flush"
        }
    }
}
