import BlockHost

/// A system call that a server needs has failed.
public struct VFIOUserError: Error, Sendable, CustomStringConvertible {
    /// What failed, such as "epoll_ctl(2)".
    public let call: String
    /// The errno of the call.
    public let errno: CInt

    init(_ call: String, _ errno: CInt) {
        self.call = call
        self.errno = errno
    }

    /// One line for people.
    public var description: String { "\(call): \(errnoMessage(errno))" }
}
