import BlockDMA
import BlockHost
import BlockIO
import GuestMemory

/// A drive at work on a command: the drive, the tag of the command, and the carrier that it came from. It
/// exists for a call of the drive, because a drive does not keep its carrier.
///
/// What the two kinds of drive have in common is in extensions of this protocol.
protocol CommandExecution {
    associatedtype Job: DriveJob
    associatedtype Settings: DriveSettings

    var core: DriveCore { get }
    var tag: Int { get }
    var carrier: any ATACarrier { get }
    /// The command of the tag.
    var job: Job { get nonmutating set }
    var settings: Settings { get nonmutating set }
    /// What the command needs in guest memory.
    var demand: TransferDemand { get }
    /// The error policy for a failed request of this operation.
    func policy(for operation: BlockOperation) -> ErrorPolicy

    /// Carries out the first step of the command's transfer.
    func carryOutFirst(_ step: DMAStep, of transfer: DMATransfer)
    /// Goes on with the command after its transfer. ``transferEnd`` is set.
    func goOn(after result: DMAResult)
    /// Ends a command whose ``TransferDemand/isUnwanted`` was set.
    func failUnwanted()
    /// Submits again the request of a parked command, if it is not a piece of a transfer.
    func repeatRequest()
    /// Changes what the registers show of a command that is about to end.
    func showEnd()
}

extension CommandExecution {
    /// The registers of the command.
    var registers: StablePointer<DriveRegisters> { core.connection.registers(of: tag) }

    /// Data that the drive moves itself.
    var buffer: DriveBuffer { core.buffer }

    /// The host request of the command.
    var host: StablePointer<HostRequest> { core.host(of: tag) }

    /// How the transfer has ended, until the carrier is told with the end of the command.
    var transferEnd: CommandEnd.Transfer? {
        get { core.transferEnd(of: tag).pointee }
        nonmutating set { core.transferEnd(of: tag).pointee = newValue }
    }

    // MARK: How commands end

    /// The command has ended well.
    @inline(__always)
    func succeed(interrupt: Bool = true) {
        endCommand(status: Status.good, error: 0, interrupt: interrupt)
    }

    /// The command has ended with an error.
    @inline(never)
    func fail(_ error: UInt8) {
        endCommand(status: Status.failed, error: error, interrupt: true)
    }

    /// The command is not carried out, or cannot go on.
    @inline(never)
    func abort() { fail(ErrorBits.aborted) }

    @inline(__always)
    private func endCommand(status: UInt8, error: UInt8, interrupt: Bool) {
        showEnd()
        let registers = registers
        job = Job()
        host.pointee.commandEnded()
        registers.pointee.window.close()
        registers.pointee.status = status
        registers.pointee.error = error
        let transfer = transferEnd
        transferEnd = nil
        carrier.commandEnded(
            CommandEnd(
                status: status, error: error, isInterrupting: interrupt, transfer: transfer),
            tag: tag, device: core.connection.device)
    }

    // MARK: Data through registers

    /// Offers `count` bytes of `buffer` from `place` on to the guest, or asks it for them; an even
    /// number.
    func open(
        _ direction: PIOWindow.Direction, _ buffer: DriveBuffer, at place: Int = 0, count: Int,
        interrupt: Bool
    ) {
        registers.pointee.status = Status.wantsData
        registers.pointee.window.open(direction, buffer, at: place, count: count)
        carrier.windowOpened(interrupt, tag: tag, device: core.connection.device)
    }
}

// The transfer of a command, from the time it is armed to its end.
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
        carryOutFirst(step, of: transfer)
    }

    /// The carrier begins no transfer.
    func refuse(_ refusal: TransferRefusal) {
        registers.pointee.status = Status.working
        switch refusal {
        case .fault:
            transferEnd = .fault
            abort()
        case .short:
            // As in QEMU, and as drivers expect: nothing is moved, and there is no interrupt.
            transferEnd = .failure
            succeed(interrupt: false)
        case .unwanted:
            transferEnd = .failure
            failUnwanted()
        }
    }

    /// The transfer is complete: keeps for the carrier how, and lets the drive go on.
    @inline(__always)
    func completeTransfer(_ result: DMAResult) {
        switch result.outcome {
        case .success: transferEnd = .success
        case .fault: transferEnd = .fault
        case .cancelled, .deviceFailed: transferEnd = .failure
        }
        goOn(after: result)
    }

    // MARK: Stopping

    /// The carrier stops the transfer of the command. The host completes the request that it
    /// already has.
    func stop() {
        guard job.isTransfer, !registers.pointee.isArmed else { return }
        if case .transferCompleted(let result) = host.pointee.stop() { completeTransfer(result) }
    }

    // MARK: Resets

    /// Drops the command. A host request that has been submitted completes later, and the carrier
    /// is not told.
    func abandon() {
        job = Job()
        transferEnd = nil
        host.pointee.abandon()
    }
}

// Error policies, for host requests that have failed.
extension CommandExecution {
    /// Asks the policy about a failure and tells the emulator. A command that has been stopped
    /// cannot be kept.
    func decide(_ completion: BlockCompletion) -> ErrorAction {
        let action = policy(for: completion.operation).action(
            for: completion, canRetry: !host.pointee.isStopped)
        carrier.requestFailed(completion, action, tag: tag, device: core.connection.device)
        return action
    }

    /// Carries out a parked command again: a transfer from its start, with the descriptor table as
    /// it was.
    func retry() {
        guard host.pointee.retry() else { return }
        guard job.repeatsTransfer else { return repeatRequest() }
        registers.pointee.demand = demand
        registers.pointee.demand.isRepeated = true
        registers.pointee.isArmed = true
    }
}
