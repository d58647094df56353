import BlockHost

/// A system call that a server cannot do without has failed.
public struct VFIOUserError: Error, Sendable, CustomStringConvertible {
    /// The call.
    public let operation: String
    /// Its errno.
    public let errno: CInt

    init(_ operation: String, _ errno: CInt) {
        self.operation = operation
        self.errno = errno
    }

    /// One line for people.
    public var description: String { "\(operation): \(errnoMessage(errno))" }
}
