import BlockDMA
import BlockIO
import GuestMemory

// What the host answers, and what the policies make of it.
extension CommandExecution {
    /// The host has answered the request of the command.
    @inline(__always)
    func requestEnded(_ completion: BlockCompletion) {
        work.pointee.isInFlight = false
        if work.pointee.isAbandoned {
            releaseAbandoned(completion)
        } else {
            requestAnswered(completion)
        }
    }

    /// After a reset the memory is given back, and that is all.
    @inline(never)
    private func releaseAbandoned(_ completion: BlockCompletion) {
        work.pointee.isAbandoned = false
        guard let transfer = work.pointee.transfer else { return }
        releaseAbandoned(
            transfer.takeUnretainedValue().pieceEnded(
                transferred: movesPieces ? completion.transferred : 0,
                isSuccess: movesPieces && completion.isSuccess))
    }

    /// Asks the policy about a failure and tells the emulator. When the command has been stopped,
    /// there is nothing to run again.
    func decide(_ completion: BlockCompletion) -> ErrorAction {
        let action = policy(for: completion.operation).action(
            for: completion, canRetry: !work.pointee.isStopped)
        carrier.requestFailed(completion, action, tag: tag, device: core.connection.device)
        return action
    }

    /// Runs a parked command again: a transfer from its start, with the descriptor table as it was.
    func retry() {
        guard job.isParked else { return }
        job.isParked = false
        guard job.repeatsTransfer else { return repeatRequest() }
        registers.pointee.demand = demand
        registers.pointee.demand.isRepeated = true
        registers.pointee.isArmed = true
    }
}
