import BlockDMA
import BlockIO
import GuestMemory

// DMA commands (ATA/ATAPI-6 9.7): from the descriptor table to the queue without a copy.
extension DiskExecution {
    func armTransfer(_ kind: DiskJob.Kind, _ command: ATACommand) {
        if kind == .writingDMA && disk.image.access == .readOnly { return abort() }
        locate(kind, command)
        settings.isStandby = false
        arm()
    }

    func failUnwanted() { failOutside() }

    @inline(__always)
    func perform(_ step: DMAStep, of transfer: DMATransfer) {
        if job.kind == .trimming { return collectRanges(transfer, step) }
        switch step {
        case .submit(let piece): submit(piece, transfer.direction)
        case .wait: break
        case .done(let result): end(result)
        }
    }

    @inline(__always)
    private func submit(_ piece: DMAPiece, _ direction: DMADirection) {
        let job = self.job
        work.pointee.isInFlight = true
        state.pointee.requests._withUnsafeGuaranteedRef { requests in
            requests.submit(
                piece, direction,
                at: job.sector &* UInt64(ATADisk.sectorSize) &+ piece.offset.rawValue,
                durability: job.isDurable ? .forceUnitAccess : .volatile, userData: requestTag)
        }
    }

    /// The host has answered a piece.
    @inline(__always)
    func pieceEnded(_ completion: BlockCompletion, _ entry: Unmanaged<DMATransfer>) {
        guard completion.isSuccess else { return pieceFailed(completion, entry) }
        entry._withUnsafeGuaranteedRef { transfer in
            perform(
                transfer.pieceEnded(transferred: completion.transferred, isSuccess: true),
                of: transfer)
        }
    }

    @inline(never)
    private func pieceFailed(_ completion: BlockCompletion, _ entry: Unmanaged<DMATransfer>) {
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
            releaseTransfer(completion.transferred)
            job.isParked = true
        case .report:
            perform(
                transfer.pieceEnded(transferred: completion.transferred, isSuccess: false),
                of: transfer)
        }
    }

    @inline(__always)
    func transferEnded(_ result: DMAResult) {
        if job.kind == .trimming { return result.outcome == .success ? trim() : abort() }
        advance(Int(clamping: result.transferred) / ATADisk.sectorSize)
        switch result.outcome {
        case .success: succeed()
        case .fault, .cancelled: abort()
        case .deviceFailed: failHost(job.kind == .readingDMA ? .read : .write)
        }
    }
}
