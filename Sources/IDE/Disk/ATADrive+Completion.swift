import BlockDMA
import BlockIO

// What the host answers, and what the policies make of it.
extension ATADrive {
    func poll() -> Int {
        requests.poll { completion in ended(completion) }
    }

    private func ended(_ completion: BlockCompletion) {
        state.pointee.isInFlight = false
        if state.pointee.isAbandoned {
            state.pointee.isAbandoned = false
            releaseAbandoned(completion)
        } else if state.pointee.transfer != nil {
            pieceEnded(completion)
        } else if state.pointee.job.kind == .trimming {
            rangeEnded(completion)
        } else {
            blockEnded(completion)
        }
    }

    /// Asks the policy about a failure and tells the emulator.
    func decide(_ completion: BlockCompletion) -> ErrorAction {
        let policy =
            completion.operation == .read
            ? disk.options.readErrorPolicy : disk.options.writeErrorPolicy
        return channel.decide(
            completion, policy, slot: slot, isStopped: state.pointee.isStopped)
    }

    /// Keeps the request until the emulator goes on.
    func park() {
        state.pointee.job.isParked = true
    }

    func retry() {
        guard state.pointee.job.isParked else { return }
        state.pointee.job.isParked = false
        switch state.pointee.job.kind {
        case .readingDMA, .writingDMA: repeatTransfer()
        case .trimming: discardFirst()
        default: submit()
        }
    }

    /// The guest is told, with the first sector that was not transferred.
    func failRequest(_ completion: BlockCompletion) {
        if completion.operation == .read || completion.operation == .write {
            advance(Int(clamping: completion.transferred) / ATADisk.sectorSize)
        }
        failHost(completion.operation)
    }

    /// UNC for what could not be read, ABRT for everything else (ATA/ATAPI-6 8.25.6, 8.55.6).
    func failHost(_ operation: BlockOperation) {
        let error = operation == .read ? ErrorBits.uncorrectable : ErrorBits.aborted
        fail(error)
        state.pointee.errorLog.add(
            SMARTErrorLog.Entry(
                opcode: state.pointee.opcode, parameters: state.pointee.parameters,
                results: registers.pointee.taskFile, status: Status.failed, error: error),
            isRead: operation == .read)
    }
}
