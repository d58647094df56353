import BlockDMA
import BlockIO

// Failures of the host.
extension IDEChannel {
    /// Asks a drive's policy about a failure and tells the emulator. With `isStopped` the host has
    /// taken the command back: there is nothing to run again.
    func decide(
        _ completion: BlockCompletion, _ policy: ErrorPolicy, slot: IDESlot, isStopped: Bool
    ) -> ErrorAction {
        let action = policy.action(for: completion, canRetry: !isStopped)
        let event = DriveEvent(
            slot: slot, operation: completion.operation,
            failure: completion.failure ?? .system, errno: completion.errno, action: action)
        router.tell { $0.controller($1, driveEvent: event) }
        return action
    }
}
