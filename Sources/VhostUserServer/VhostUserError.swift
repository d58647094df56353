import BlockHost
public import VirtioBlock

/// Why a server cannot be made, or cannot go on.
@nonexhaustive
public enum VhostUserError: Error, Sendable, Hashable {
    /// A system call failed: its name, such as "epoll_ctl(2)", and the errno.
    case system(call: String, errno: CInt)
    /// The device or one of its queues cannot be made. An image that allows fewer queues than the server has
    /// is an error of the image, `BlockError.Code.tooManyQueues`.
    case device(VirtioError)
    /// An option is outside its documented range.
    case invalidOption(String)

    init(_ error: SystemCallError) { self = .system(call: error.call, errno: error.errno) }
}

extension VhostUserError: CustomStringConvertible {
    /// One line for people.
    public var description: String {
        switch self {
        case .system(let call, let errno): "\(call): \(errnoMessage(errno))"
        case .device(let error): "\(error)"
        case .invalidOption(let text): text
        }
    }
}
