public import GuestMemory

/// What an event means for the device of a ``HostRequest``.
public enum HostAnswer: Sendable, Hashable {
    /// The device does nothing; a later event brings the answer.
    case pending
    /// A request that the device made with ``HostRequest/submit()`` has succeeded.
    case succeeded
    /// The host has failed a request. The device asks its ``ErrorPolicy``, and passes the action to
    /// ``HostRequest/apply(_:to:on:)``. If that call answers `failed` too, the device reports the
    /// failure to the guest.
    case failed
    /// The transfer is complete: it has succeeded, guest memory was at fault, the host has failed
    /// it, or it was stopped.
    case transferCompleted(DMAResult)
    /// The command was abandoned, and its host request has now completed.
    case released

    /// Whether the request succeeded: ``succeeded``, or ``transferCompleted(_:)`` with success.
    public var isSuccess: Bool {
        switch self {
        case .succeeded: true
        case .transferCompleted(let result): result.outcome == .success
        case .pending, .failed, .released: false
        }
    }
}
