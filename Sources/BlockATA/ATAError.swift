import BlockHost
public import BlockIO

/// Errors of the caller of a drive. A guest cannot cause any of them.
public enum ATAError: Error, Sendable, Hashable {
    /// An option is outside its documented range.
    case invalidOption(String)
    /// The guest prevents the removal of the medium.
    case mediumLocked
    /// The image refused.
    case image(BlockError)
    /// The kernel refused, with this errno.
    case system(CInt)
}

extension ATAError: CustomStringConvertible {
    /// One line for people.
    public var description: String {
        switch self {
        case .invalidOption(let text): text
        case .mediumLocked: "the guest prevents the removal of the medium"
        case .image(let error): "\(error)"
        case .system(let errno): "\(errnoMessage(errno)) (errno \(errno))"
        }
    }
}
