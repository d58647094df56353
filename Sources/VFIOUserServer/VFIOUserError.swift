import BlockHost

/// A system call that a server cannot do without has failed.
public struct VFIOUserError: Error, Sendable, CustomStringConvertible {
    /// The call.
    public let call: String
    /// Its errno.
    public let errno: CInt

    init(_ call: String, _ errno: CInt) {
        self.call = call
        self.errno = errno
    }

    /// One line for people.
    public var description: String { "\(call): \(errnoMessage(errno))" }
}
