import BlockIO

// PIO data-in and data-out commands (ATA/ATAPI-6 9.5, 9.6), VERIFY and FLUSH.
extension DiskExecution {
    func readBlocks(_ command: ATACommand, of blockSize: Int) {
        guard blockSize > 0 else { return abort() }
        locate(.readingBlocks, command)
        settings.isStandby = false
        job.blockSize = blockSize
        readNextBlock()
    }

    func writeBlocks(_ command: ATACommand, of blockSize: Int) {
        guard blockSize > 0, !state.pointee.isReadOnly else { return abort() }
        locate(.writingBlocks, command)
        settings.isStandby = false
        job.blockSize = blockSize
        takeNextBlock(isFirst: true)
    }

    /// READ VERIFY (8.36, 8.37): reads the medium and drops the data.
    func verify(_ command: ATACommand) {
        locate(.verifying, command)
        settings.isStandby = false
        guard isInside(job.remaining) else { return failOutside() }
        requestBlock(of: ATADrive.bufferSize / ATADisk.sectorSize)
    }

    /// FLUSH CACHE (8.13, 8.14); also the end of SET FEATURES 82h.
    func flush() {
        job = DiskJob()
        job.kind = .flushing
        submit()
    }

    private func readNextBlock() {
        guard isInside(nextBlock) else { return failOutside() }
        requestBlock(of: job.blockSize)
    }

    /// No interrupt before the first block (9.6).
    private func takeNextBlock(isFirst: Bool) {
        guard isInside(nextBlock) else { return failOutside() }
        job.inHand = nextBlock
        open(.toDrive, buffer, count: nextBlock &* ATADisk.sectorSize, interrupt: !isFirst)
    }

    private var nextBlock: Int { min(job.remaining, job.blockSize) }

    private func requestBlock(of sectors: Int) {
        job.inHand = min(job.remaining, sectors)
        submit()
    }

    /// Submits the host request of the command, also to repeat it after a policy has kept it.
    func submit() {
        registers.pointee.status = Status.working
        let job = self.job
        let tag = host.pointee.submit()
        let bytes = unsafe buffer.bytes(count: job.inHand &* ATADisk.sectorSize)
        let offset = job.sector &* UInt64(ATADisk.sectorSize)
        let requests = disk.queue
        switch job.kind {
        case .writingBlocks:
            unsafe requests.write(
                from: UnsafeRawBufferPointer(bytes), at: offset,
                durability: job.isDurable ? .forceUnitAccess : .volatile, userData: tag)
        case .flushing: requests.flush(userData: tag)
        default: unsafe requests.read(into: bytes, at: offset, userData: tag)
        }
    }

    /// The guest has moved a whole block.
    func windowClosed() {
        switch job.kind {
        case .readingBlocks:
            if job.remaining > 0 {
                readNextBlock()
            } else {
                succeed(interrupt: false)
            }
        case .writingBlocks: submit()
        case .takingPage:
            state.pointee.sectorBuffer.copy(from: buffer, count: ATADisk.sectorSize)
            succeed()
        default: succeed(interrupt: false)
        }
    }

    /// The host has completed the request for a block.
    func blockCompleted() {
        switch job.kind {
        case .readingBlocks:
            advance(job.inHand)
            open(
                .toHost, buffer, count: job.inHand &* ATADisk.sectorSize, interrupt: true)
        case .writingBlocks:
            advance(job.inHand)
            if job.remaining > 0 {
                takeNextBlock(isFirst: false)
            } else {
                succeed()
            }
        case .verifying:
            // READ VERIFY leaves the registers as they are (8.36.5).
            job.sector &+= UInt64(job.inHand)
            job.remaining &-= job.inHand
            if job.remaining > 0 {
                requestBlock(of: ATADrive.bufferSize / ATADisk.sectorSize)
            } else {
                succeed()
            }
        default: succeed()
        }
    }

    /// Clears what a failed read has not filled, so that the guest sees no data of an earlier
    /// command.
    func conceal(_ completion: BlockCompletion) {
        guard completion.operation == .read else { return }
        let from = Int(clamping: completion.transferred)
        let count = job.inHand &* ATADisk.sectorSize &- from
        if count > 0 { buffer.clear(at: from, count: count) }
    }
}
