import BlockDMA
import BlockIO
import GuestMemory

// DMA commands (ATA/ATAPI-6 9.7): from the descriptor table to the queue without a copy.
extension DiskExecution {
    func armTransfer(_ kind: DiskJob.Kind, _ command: ATACommand) {
        if kind == .writingDMA && state.pointee.isReadOnly { return abort() }
        locate(kind, command)
        settings.isStandby = false
        arm()
    }

    func failUnwanted() { failOutside() }

    @inline(__always)
    func beginTransfer(_ transfer: DMATransfer, _ step: DMAStep) {
        let job = self.job
        if job.kind == .trimming { return beginRanges(transfer, step) }
        let answer = state.pointee.requests._withUnsafeGuaranteedRef { requests in
            host.pointee.begin(
                transfer, step, on: requests, at: job.sector &* UInt64(ATADisk.sectorSize),
                durability: job.isDurable ? .forceUnitAccess : .volatile)
        }
        if case .finished(let result) = answer { endAtOnce(result) }
    }

    /// The transfer was over when it began. Apart, because that is rare.
    @inline(never)
    private func endAtOnce(_ result: DMAResult) { end(result) }

    /// Goes on with a transfer that has waited for memory, if it is that of the command.
    func resume(_ transfer: DMATransfer, _ step: DMAStep) {
        guard host.pointee.owns(transfer) else { return }
        if job.kind == .trimming { return resumeRanges(transfer, step) }
        let answer = host.pointee.resume(transfer, step, on: disk.queue)
        if case .finished(let result) = answer { end(result) }
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
