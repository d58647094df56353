import BlockHost
public import VirtioBlock

/// Why a server cannot be made, or cannot go on.
@nonexhaustive
public enum VhostUserError: Error, Sendable, Hashable {
    /// A system call failed: its name, such as "epoll_ctl(2)", and the errno.
    case system(call: String, errno: CInt)
    /// The device or one of its queues cannot be made.
    case device(VirtioError)
    /// An option is outside its documented range.
    case invalidOption(String)
    /// An image that can be written has one queue, so that a device has no more.
    case tooManyQueues(Int, limit: Int)

    init(_ error: SystemCallError) { self = .system(call: error.call, errno: error.errno) }
}

extension VhostUserError: CustomStringConvertible {
    /// One line for people.
    public var description: String {
        switch self {
        case .system(let call, let errno): "\(call): \(errnoMessage(errno))"
        case .device(let error): "\(error)"
        case .invalidOption(let text): text
        case .tooManyQueues(let count, let limit):
            "\(count) queues: an image has at most \(limit)"
        }
    }
}
