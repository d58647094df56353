public import BlockIO
import Glibc

/// What a device does when the host fails one of its requests.
public enum ErrorPolicy: String, Sendable, Hashable, CaseIterable {
    /// The failure is reported to the guest.
    case report
    /// Success is reported to the guest.
    case ignore
    /// The emulator stops the machine, and the request is made again when the machine goes on.
    case stop
    /// ``stop`` when the host has no space left, ``report`` otherwise.
    case enospc

    /// The action for a request that failed with `errno`, which is 0 when the block layer itself
    /// refused the request.
    public func action(errno: CInt) -> ErrorAction {
        switch self {
        case .report: .report
        case .ignore: .ignore
        case .stop: .stop
        case .enospc: errno == ENOSPC ? .stop : .report
        }
    }

    /// The action for a completion that is a failure and not a `BlockCompletion.isMemoryFault`.
    /// With `canRetry` false the request cannot be made again, because the guest has stopped its
    /// command: the action is then ``ErrorAction/report`` instead of ``ErrorAction/stop``.
    public func action(for completion: BlockCompletion, canRetry: Bool = true) -> ErrorAction {
        let action = action(errno: completion.errno)
        return action == .stop && !canRetry ? .report : action
    }
}
