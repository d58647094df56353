import BlockDMA
import BlockIO

// What the policies make of what the host has failed.
extension CommandExecution {
    /// Asks the policy about a failure and tells the emulator. When the command has been stopped,
    /// there is nothing to run again.
    func decide(_ completion: BlockCompletion) -> ErrorAction {
        let action = policy(for: completion.operation).action(
            for: completion, canRetry: !host.pointee.isStopped)
        carrier.requestFailed(completion, action, tag: tag, device: core.connection.device)
        return action
    }

    /// Runs a parked command again: a transfer from its start, with the descriptor table as it was.
    func retry() {
        guard host.pointee.retry() else { return }
        guard job.repeatsTransfer else { return repeatRequest() }
        registers.pointee.demand = demand
        registers.pointee.demand.isRepeated = true
        registers.pointee.isArmed = true
    }
}
