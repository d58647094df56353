import BlockDMA
import BlockIO

// What the host answers.
extension DiskExecution {
    /// The host has answered the request of the command.
    @inline(__always)
    func requestEnded(_ completion: BlockCompletion) {
        let answer = state.pointee.requests._withUnsafeGuaranteedRef {
            host.pointee.complete(completion, on: $0)
        }
        switch answer {
        case .finished(let result): end(result)
        case .succeeded: ownRequestSucceeded()
        case .failed: requestFailed(completion)
        case .pending, .released: break
        }
    }

    /// The host has failed a piece of the transfer, or a request of the drive's own.
    @inline(never)
    private func requestFailed(_ completion: BlockCompletion) {
        let action = decide(completion)
        switch host.pointee.apply(action, to: completion, on: disk.queue) {
        case .finished(let result): end(result)
        case .succeeded:
            conceal(completion)
            ownRequestSucceeded()
        case .failed: failRequest(completion)
        case .pending, .released: break
        }
    }

    @inline(never)
    private func ownRequestSucceeded() {
        if job.kind == .trimming { rangeEnded() } else { blockEnded() }
    }

    func repeatRequest() {
        if job.kind == .trimming { discardFirst() } else { submit() }
    }

    /// The guest is told, with the first sector that was not transferred.
    private func failRequest(_ completion: BlockCompletion) {
        if job.kind == .trimming { transferEnd = .failure }
        if completion.operation == .read || completion.operation == .write {
            advance(Int(clamping: completion.transferred) / ATADisk.sectorSize)
        }
        failHost(completion.operation)
    }

    /// UNC for what could not be read, ABRT for everything else (ATA/ATAPI-6 8.25.6, 8.55.6).
    @inline(never)
    func failHost(_ operation: BlockOperation) {
        let error = operation == .read ? ErrorBits.uncorrectable : ErrorBits.aborted
        state.pointee.errorLog.add(
            SMARTErrorLog.Entry(
                opcode: command.pointee.opcode, parameters: command.pointee.parameters,
                results: registers.pointee.taskFile, status: Status.failed, error: error),
            isRead: operation == .read)
        fail(error)
    }
}
