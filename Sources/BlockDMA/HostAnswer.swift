public import GuestMemory

/// What an event means for the device whose ``HostRequest`` it concerns.
public enum HostAnswer: Sendable, Hashable {
    /// Nothing is to be done: another event brings the answer.
    case pending
    /// A request that the device made with ``HostRequest/submit()`` has succeeded.
    case succeeded
    /// The host has failed a request. The device asks its ``ErrorPolicy``, and says what came of it with
    /// ``HostRequest/apply(_:to:on:)``. If that answers so too, the guest is told.
    case failed
    /// The transfer is over: with success, because its memory is at fault, because the host has failed
    /// it, or because it was stopped.
    case finished(DMAResult)
    /// The command was abandoned, and now the host has nothing of it any more.
    case released

    /// Whether all that was asked for was done: ``succeeded``, or ``finished(_:)`` with success.
    public var isSuccess: Bool {
        switch self {
        case .succeeded: true
        case .finished(let result): result.outcome == .success
        case .pending, .failed, .released: false
        }
    }
}
