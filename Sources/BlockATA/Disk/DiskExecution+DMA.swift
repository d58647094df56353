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
    func carryOutFirst(_ step: DMAStep, of transfer: DMATransfer) {
        let job = self.job
        if job.kind == .trimming { return beginRanges(transfer, step) }
        let answer = unsafe state.pointee.requests._withUnsafeGuaranteedRef { requests in
            // Its answers are the host request's from here on.
            unsafe host.pointee.begin(
                transfer, step, on: requests, at: job.sector &* UInt64(ATADisk.sectorSize),
                durability: job.isDurable ? .forceUnitAccess : .volatile)
        }
        if case .transferCompleted(let result) = answer { completeAtOnce(result) }
    }

    /// The transfer was complete when it began. In a function of its own, because that is rare.
    @inline(never)
    private func completeAtOnce(_ result: DMAResult) { completeTransfer(result) }

    /// Goes on with a transfer that has waited for memory, if it is that of the command.
    func resume(_ transfer: DMATransfer, _ step: DMAStep) {
        guard host.pointee.owns(transfer) else { return }
        if job.kind == .trimming { return resumeRanges(transfer, step) }
        let answer = host.pointee.resume(transfer, step, on: disk.queue)
        if case .transferCompleted(let result) = answer { completeTransfer(result) }
    }

    @inline(__always)
    func goOn(after result: DMAResult) {
        if job.kind == .trimming { return result.outcome == .success ? trim() : abort() }
        advance(Int(clamping: result.transferred) / ATADisk.sectorSize)
        switch result.outcome {
        case .success: succeed()
        case .fault, .cancelled: abort()
        case .deviceFailed: failHost(job.kind == .readingDMA ? .read : .write)
        }
    }
}

extension DiskJob {
    /// What the command needs in guest memory, on a disk of `sectorCount`.
    package func demand(sectorCount: UInt64) -> TransferDemand {
        var demand = TransferDemand(
            bytes: UInt64(remaining) &* UInt64(ATADisk.sectorSize),
            direction: kind == .readingDMA ? .fromDevice : .toDevice, unit: ATADisk.sectorSize)
        demand.isUnwanted =
            kind != .trimming && !ATADrive.isInside(sector, remaining, of: sectorCount)
        return demand
    }
}

// Counts and addresses (ATA/ATAPI-6 6.2 and 6.20, ATA/ATAPI-5 6.2), of PIO commands too.
extension DiskExecution {
    /// Takes count and address of a command from the registers.
    func locate(_ kind: DiskJob.Kind, _ command: ATACommand) {
        let file = registers.pointee.taskFile
        var job = DiskJob()
        job.kind = kind
        job.isDurable = command.forcesUnitAccess || !settings.isWriteCacheOn
        if command.is48Bit {
            job.remaining = file.count.word == 0 ? 65536 : Int(file.count.word)
        } else {
            job.remaining = file.count.current == 0 ? 256 : Int(file.count.current)
        }
        if file.device & DeviceRegister.lba == 0 {
            job.addressing = .chs
            job.sector = cylinderHeadSector(file)
        } else if command.is48Bit {
            job.addressing = .lba48
            job.sector = file.address48
        } else {
            job.addressing = .lba28
            job.sector = file.address28
        }
        self.job = job
    }

    private func cylinderHeadSector(_ file: TaskFile) -> UInt64 {
        let heads = UInt64(settings.heads)
        let sectors = UInt64(settings.sectors)
        let head = UInt64(file.device & DeviceRegister.head)
        let sector = UInt64(file.lbaLow.current)
        guard head < heads, sector >= 1, sector <= sectors else { return DiskJob.nowhere }
        let cylinder = UInt64(file.lbaMid.current) | UInt64(file.lbaHigh.current) << 8
        return (cylinder &* heads &+ head) &* sectors &+ sector &- 1
    }

    /// Shows a sector in the address registers.
    func show(sector: UInt64) {
        switch job.addressing {
        case .lba48: registers.pointee.taskFile.set48(sector)
        case .lba28: registers.pointee.taskFile.set28(sector)
        case .chs:
            let heads = UInt64(settings.heads)
            let sectors = UInt64(settings.sectors)
            guard heads > 0, sectors > 0 else { return }
            let track = sector / sectors
            let cylinder = track / heads
            registers.pointee.taskFile.lbaLow.current =
                UInt8(truncatingIfNeeded: sector % sectors &+ 1)
            registers.pointee.taskFile.lbaMid.current = UInt8(truncatingIfNeeded: cylinder)
            registers.pointee.taskFile.lbaHigh.current = UInt8(truncatingIfNeeded: cylinder >> 8)
            registers.pointee.taskFile.setHead(UInt8(truncatingIfNeeded: track % heads))
        }
    }

    /// Counts `sectors` as done: the registers show the next sector, and how many are left.
    func advance(_ sectors: Int) {
        job.remaining &-= sectors
        if job.sector != DiskJob.nowhere {
            job.sector &+= UInt64(sectors)
            show(sector: job.sector)
        }
        let left = job.remaining
        registers.pointee.taskFile.count.current = UInt8(truncatingIfNeeded: left)
        if job.addressing == .lba48 {
            registers.pointee.taskFile.count.previous = UInt8(truncatingIfNeeded: left >> 8)
        }
    }

    /// Whether the next `sectors` sectors are on the disk.
    func isInside(_ sectors: Int) -> Bool { isInside(job.sector, sectors) }

    /// Whether `sectors` sectors from `sector` on are on the disk.
    func isInside(_ sector: UInt64, _ sectors: Int) -> Bool {
        ATADrive.isInside(sector, sectors, of: state.pointee.sectorCount)
    }

    /// Fails a command that reaches outside the disk. The registers name the first sector outside.
    func failOutside() {
        let sector = job.sector
        if sector < state.pointee.sectorCount {
            advance(Int(clamping: state.pointee.sectorCount &- sector))
        }
        fail(ErrorBits.idNotFound)
    }
}

// Completions of host requests, those of PIO commands too.
extension DiskExecution {
    /// The host has completed the request of the command.
    @inline(__always)
    func requestCompleted(_ completion: BlockCompletion) {
        let answer = unsafe state.pointee.requests._withUnsafeGuaranteedRef {
            host.pointee.complete(completion, on: $0)
        }
        switch answer {
        case .transferCompleted(let result): completeTransfer(result)
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
        case .transferCompleted(let result): completeTransfer(result)
        case .succeeded:
            conceal(completion)
            ownRequestSucceeded()
        case .failed: failRequest(completion)
        case .pending, .released: break
        }
    }

    @inline(never)
    private func ownRequestSucceeded() {
        if job.kind == .trimming { discardCompleted() } else { blockCompleted() }
    }

    func repeatRequest() {
        if job.kind == .trimming { discardFirst() } else { submit() }
    }

    /// Fails the command. The registers name the first sector that was not transferred.
    private func failRequest(_ completion: BlockCompletion) {
        if job.kind == .trimming { transferEnd = .failure }
        if completion.operation == .read || completion.operation == .write {
            advance(Int(clamping: completion.transferred) / ATADisk.sectorSize)
        }
        failHost(completion.operation)
    }

    /// Fails the command with UNC for a read and with ABRT otherwise (ATA/ATAPI-6 8.25.6, 8.55.6),
    /// and logs the error.
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
