import BlockDMA
import GuestMemory

// The transfer of a command, between the time it is armed and its end.
extension CommandExecution {
    /// The command needs guest memory: it goes on with ``begin(_:_:)`` or ``refuse(_:)``.
    func arm() {
        registers.pointee.status = Status.wantsData
        registers.pointee.demand = demand
        registers.pointee.isArmed = true
    }

    /// The carrier has begun the transfer.
    @inline(__always)
    func begin(_ transfer: DMATransfer, _ step: DMAStep) {
        registers.pointee.status = Status.working
        beginTransfer(transfer, step)
    }

    /// The carrier begins no transfer.
    func refuse(_ refusal: TransferRefusal) {
        registers.pointee.status = Status.working
        switch refusal {
        case .fault:
            transferEnd = .fault
            abort()
        case .short:
            // As QEMU has it, and drivers expect: nothing happens, and nobody is told.
            transferEnd = .failure
            succeed(interrupt: false)
        case .unwanted:
            transferEnd = .failure
            failUnwanted()
        }
    }

    /// The transfer is over.
    @inline(__always)
    func end(_ result: DMAResult) {
        switch result.outcome {
        case .success: transferEnd = .success
        case .fault: transferEnd = .fault
        case .cancelled, .deviceFailed: transferEnd = .failure
        }
        transferEnded(result)
    }

    // MARK: Stopping

    /// The carrier stops the transfer of the command. What the host has begun, it ends.
    func stop() {
        guard job.isTransfer, !registers.pointee.isArmed else { return }
        if case .finished(let result) = host.pointee.stop() { end(result) }
    }

    // MARK: Resets

    /// Drops the command. A host request that has been made ends in its own time, and nobody is told.
    func abandon() {
        job = Job()
        transferEnd = nil
        host.pointee.abandon()
    }
}
