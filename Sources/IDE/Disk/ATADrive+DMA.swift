import BlockDMA
import BlockIO
import GuestMemory

// DMA commands (ATA/ATAPI-6 9.7): from the descriptor table to the queue without a copy.
extension ATADrive {
    func armTransfer(_ kind: DiskJob.Kind, _ command: ATACommand) {
        if kind == .writingDMA && disk.image.access == .readOnly {
            return fail(ErrorBits.aborted)
        }
        locate(kind, command)
        state.pointee.settings.isStandby = false
        channel.arm(registers)
    }

    /// START and the command are both there: the table is read, and then everything is checked
    /// before anything moves.
    func startTransfer() {
        registers.pointee.status = Status.working
        state.pointee.isStopped = false
        let bytes = UInt64(state.pointee.job.remaining) &* UInt64(ATADisk.sectorSize)
        switch channel.prepareTransfer(bytes) {
        case .fault: return endTransfer(.fault, ErrorBits.aborted)
        case .short:
            // As QEMU has it, and drivers expect: nothing happens, and nobody is told.
            channel.transferEnded(.failure)
            return succeed(interrupt: false)
        case .ready: break
        }
        if state.pointee.job.kind == .trimming { return collectRanges() }
        guard isInside(state.pointee.job.remaining) else {
            channel.transferEnded(.failure)
            return failOutside()
        }
        beginTransfer()
    }

    private func beginTransfer() {
        let direction: DMADirection =
            state.pointee.job.kind == .readingDMA ? .fromDevice : .toDevice
        let (transfer, step) = channel.beginTransfer(
            of: slot.device, direction, unit: ATADisk.sectorSize)
        state.pointee.transfer = .passUnretained(transfer)
        perform(step, of: transfer)
    }

    /// A request that a policy has kept runs again from its start, with the table as it was.
    func repeatTransfer() {
        let bytes = UInt64(state.pointee.job.remaining) &* UInt64(ATADisk.sectorSize)
        if case .ready = channel.describeTransfer(bytes) { beginTransfer() }
    }

    private func perform(_ step: DMAStep, of transfer: DMATransfer) {
        let job = state.pointee.job
        if case .submit = step { state.pointee.isInFlight = true }
        let result = requests.perform(
            step, of: transfer, at: job.sector &* UInt64(ATADisk.sectorSize),
            durability: job.isDurable ? .forceUnitAccess : .volatile)
        if let result { finish(result) }
    }

    /// The host has answered a piece.
    func pieceEnded(_ completion: BlockCompletion) {
        guard let entry = state.pointee.transfer else { return }
        if completion.isSuccess {
            return entry._withUnsafeGuaranteedRef { transfer in
                perform(
                    transfer.pieceEnded(transferred: completion.transferred, isSuccess: true),
                    of: transfer)
            }
        }
        let transfer = entry.takeUnretainedValue()
        if completion.isMemoryFault {
            return perform(
                transfer.memoryFailed(transferred: completion.transferred), of: transfer)
        }
        switch decide(completion) {
        case .ignore:
            perform(
                transfer.pieceEnded(transferred: completion.length, isSuccess: true), of: transfer)
        case .stop:
            _ = transfer.pieceEnded(transferred: completion.transferred, isSuccess: false)
            state.pointee.transfer = nil
            park()
        case .report:
            perform(
                transfer.pieceEnded(transferred: completion.transferred, isSuccess: false),
                of: transfer)
        }
    }

    private func finish(_ result: DMAResult) {
        state.pointee.transfer = nil
        let kind = state.pointee.job.kind
        // What TRIM transfers are not sectors.
        if kind != .trimming { advance(Int(clamping: result.transferred) / ATADisk.sectorSize) }
        switch result.outcome {
        case .success:
            channel.transferEnded(.success)
            succeed()
        case .fault: endTransfer(.fault, ErrorBits.aborted)
        case .cancelled: endTransfer(.failure, ErrorBits.aborted)
        case .deviceFailed:
            channel.transferEnded(.failure)
            failHost(kind == .readingDMA ? .read : .write)
        }
    }

    func endTransfer(_ end: IDEChannel.TransferEnd, _ error: UInt8) {
        channel.transferEnded(end)
        fail(error)
    }

    // MARK: Stopping

    func stopTransfer() {
        switch state.pointee.job.kind {
        case .readingDMA, .writingDMA, .trimming: break
        default: return
        }
        if registers.pointee.isArmed || state.pointee.isAbandoned { return }
        state.pointee.isStopped = true
        if state.pointee.job.isParked {
            state.pointee.job.isParked = false
            return endTransfer(.failure, ErrorBits.aborted)
        }
        guard let entry = state.pointee.transfer else { return }
        if case .done(let result)? = entry.takeUnretainedValue().cancel() { finish(result) }
    }

    func resumeTransfer(_ transfer: DMATransfer, _ step: DMAStep) {
        guard state.pointee.transfer?.toOpaque() == Unmanaged.passUnretained(transfer).toOpaque()
        else { return }
        if state.pointee.isAbandoned {
            releaseAbandoned(step)
        } else if state.pointee.job.kind == .trimming {
            collectRanges(transfer, step)
        } else {
            perform(step, of: transfer)
        }
    }

    /// After a reset: the memory is given back, and that is all.
    func releaseAbandoned(_ completion: BlockCompletion) {
        guard let entry = state.pointee.transfer else { return }
        releaseAbandoned(
            entry.takeUnretainedValue().pieceEnded(
                transferred: completion.transferred, isSuccess: completion.isSuccess))
    }

    /// It was cancelled, so no other piece comes; its bytes may still be on their way.
    private func releaseAbandoned(_ step: DMAStep) {
        if case .wait = step {
            state.pointee.isAbandoned = true
        } else {
            state.pointee.isAbandoned = false
            state.pointee.transfer = nil
        }
    }
}
