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
        work.pointee.isStopped = false
        work.pointee.transfer = .passUnretained(transfer)
        perform(step, of: transfer)
    }

    /// The carrier begins no transfer.
    func refuse(_ refusal: TransferRefusal) {
        registers.pointee.status = Status.working
        work.pointee.isStopped = false
        switch refusal {
        case .fault:
            work.pointee.transferEnd = .fault
            abort()
        case .short:
            // As QEMU has it, and drivers expect: nothing happens, and nobody is told.
            work.pointee.transferEnd = .failure
            succeed(interrupt: false)
        case .unwanted:
            work.pointee.transferEnd = .failure
            failUnwanted()
        }
    }

    /// The transfer is over.
    @inline(__always)
    func end(_ result: DMAResult) {
        work.pointee.transfer = nil
        switch result.outcome {
        case .success: work.pointee.transferEnd = .success
        case .fault: work.pointee.transferEnd = .fault
        case .cancelled, .deviceFailed: work.pointee.transferEnd = .failure
        }
        transferEnded(result)
    }

    /// Gives the memory of a transfer back that does not go on.
    func releaseTransfer(_ transferred: UInt64) {
        guard let transfer = work.pointee.transfer else { return }
        work.pointee.transfer = nil
        _ = transfer.takeUnretainedValue().pieceEnded(transferred: transferred, isSuccess: false)
    }

    // MARK: Stopping

    /// The carrier stops the transfer of the command. What the host has begun, it ends.
    func stop() {
        guard job.isTransfer, !registers.pointee.isArmed, !work.pointee.isAbandoned else { return }
        work.pointee.isStopped = true
        if job.isParked {
            work.pointee.transferEnd = .failure
            return abort()
        }
        guard let transfer = work.pointee.transfer else { return }
        if case .done(let result)? = transfer.takeUnretainedValue().cancel() { end(result) }
    }

    /// Goes on with a transfer that has waited for memory, if it is that of the command.
    func resume(_ transfer: DMATransfer, _ step: DMAStep) {
        guard work.pointee.transfer?.toOpaque() == Unmanaged.passUnretained(transfer).toOpaque()
        else { return }
        if work.pointee.isAbandoned { releaseAbandoned(step) } else { perform(step, of: transfer) }
    }

    // MARK: Resets

    /// Drops the command. A host request that has been made ends in its own time, and nobody is told.
    func abandon() {
        job = Job()
        work.pointee.isStopped = false
        work.pointee.transferEnd = nil
        guard work.pointee.isBusy else { return }
        if let transfer = work.pointee.transfer,
            transfer._withUnsafeGuaranteedRef({ $0.cancel() }) != nil
        {
            work.pointee.transfer = nil
        }
        work.pointee.isAbandoned = work.pointee.isBusy
    }

    /// A cancelled transfer has no other piece, but its bytes may still be on their way.
    func releaseAbandoned(_ step: DMAStep) {
        if case .wait = step {
            work.pointee.isAbandoned = true
        } else {
            work.pointee.isAbandoned = false
            work.pointee.transfer = nil
        }
    }
}
