public import BlockIO
import Glibc

/// What a device does when the host fails one of its requests.
public enum ErrorPolicy: String, Sendable, Hashable, CaseIterable {
    /// The guest is told.
    case report
    /// The guest is told that all is well.
    case ignore
    /// The machine is to be stopped, and the request run again when it goes on.
    case stop
    /// ``stop`` when the host has no space left, ``report`` otherwise.
    case enospc

    /// What is to be done about a request that failed with `errno`, 0 when the block layer itself
    /// refused it.
    public func action(errno: CInt) -> ErrorAction {
        switch self {
        case .report: .report
        case .ignore: .ignore
        case .stop: .stop
        case .enospc: errno == ENOSPC ? .stop : .report
        }
    }

    /// What is to be done about a completion that is a failure and not a
    /// `BlockCompletion.isMemoryFault`. With `canRetry` false there is no request to run
    /// again, because the guest has taken its command back: then the guest is told instead of the
    /// machine being stopped.
    public func action(for completion: BlockCompletion, canRetry: Bool = true) -> ErrorAction {
        let action = action(errno: completion.errno)
        return action == .stop && !canRetry ? .report : action
    }
}

/// What an ``ErrorPolicy`` comes down to in one case.
public enum ErrorAction: String, Sendable, Hashable {
    /// The guest sees the error.
    case report
    /// The guest sees success.
    case ignore
    /// The request is kept until the emulator resumes the device.
    case stop
}
