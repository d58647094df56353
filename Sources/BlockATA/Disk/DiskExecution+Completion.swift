import BlockIO

// What the host answers.
extension DiskExecution {
    @inline(__always)
    func requestAnswered(_ completion: BlockCompletion) {
        if let transfer = work.pointee.transfer {
            pieceEnded(completion, transfer)
        } else if job.kind == .trimming {
            rangeEnded(completion)
        } else {
            blockEnded(completion)
        }
    }

    func repeatRequest() {
        if job.kind == .trimming { discardFirst() } else { submit() }
    }

    /// The guest is told, with the first sector that was not transferred.
    func failRequest(_ completion: BlockCompletion) {
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
