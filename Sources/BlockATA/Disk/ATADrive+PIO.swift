import BlockIO

// PIO data-in and data-out commands (ATA/ATAPI-6 9.5, 9.6), VERIFY and FLUSH.
extension ATADrive {
    func readBlocks(_ command: ATACommand, of blockSize: Int) {
        guard blockSize > 0 else { return fail(ErrorBits.aborted) }
        locate(.readingBlocks, command)
        state.pointee.settings.isStandby = false
        state.pointee.job.blockSize = blockSize
        readNextBlock()
    }

    func writeBlocks(_ command: ATACommand, of blockSize: Int) {
        guard blockSize > 0, disk.image.access == .readWrite else {
            return fail(ErrorBits.aborted)
        }
        locate(.writingBlocks, command)
        state.pointee.settings.isStandby = false
        state.pointee.job.blockSize = blockSize
        takeNextBlock(isFirst: true)
    }

    /// READ VERIFY (8.36, 8.37): the medium is read, and nobody gets the data.
    func verify(_ command: ATACommand) {
        locate(.verifying, command)
        state.pointee.settings.isStandby = false
        guard isInside(state.pointee.job.remaining) else { return failOutside() }
        requestBlock(of: Self.bufferSize / ATADisk.sectorSize)
    }

    /// FLUSH CACHE (8.13, 8.14); also the end of SET FEATURES 82h.
    func flush() {
        state.pointee.job = DiskJob()
        state.pointee.job.kind = .flushing
        submit()
    }

    private func readNextBlock() {
        guard isInside(nextBlock) else { return failOutside() }
        requestBlock(of: state.pointee.job.blockSize)
    }

    /// No interrupt before the first block (9.6).
    private func takeNextBlock(isFirst: Bool) {
        guard isInside(nextBlock) else { return failOutside() }
        state.pointee.job.inHand = nextBlock
        open(.toDrive, count: nextBlock &* ATADisk.sectorSize)
        if !isFirst { channel.raiseInterrupt() }
    }

    private var nextBlock: Int { min(state.pointee.job.remaining, state.pointee.job.blockSize) }

    private func requestBlock(of sectors: Int) {
        state.pointee.job.inHand = min(state.pointee.job.remaining, sectors)
        submit()
    }

    /// Gives the host what is in hand; again, after a policy has kept it.
    func submit() {
        registers.pointee.status = Status.working
        state.pointee.isInFlight = true
        let job = state.pointee.job
        let bytes = UnsafeMutableRawBufferPointer(
            start: buffer, count: job.inHand &* ATADisk.sectorSize)
        let offset = job.sector &* UInt64(ATADisk.sectorSize)
        switch job.kind {
        case .writingBlocks:
            requests.write(
                from: UnsafeRawBufferPointer(bytes), at: offset,
                durability: job.isDurable ? .forceUnitAccess : .volatile)
        case .flushing: requests.flush()
        default: requests.read(into: bytes, at: offset)
        }
    }

    /// The host has moved a whole block.
    func windowEnded() {
        switch state.pointee.job.kind {
        case .readingBlocks:
            if state.pointee.job.remaining > 0 {
                readNextBlock()
            } else {
                succeed(interrupt: false)
            }
        case .writingBlocks: submit()
        case .takingPage:
            sectorBuffer.copyMemory(from: buffer, byteCount: ATADisk.sectorSize)
            succeed()
        default: succeed(interrupt: false)
        }
    }

    /// The host has answered the request in hand.
    func blockEnded(_ completion: BlockCompletion) {
        if !completion.isSuccess {
            switch decide(completion) {
            case .stop: return park()
            case .report: return failRequest(completion)
            case .ignore: conceal(completion)
            }
        }
        switch state.pointee.job.kind {
        case .readingBlocks:
            advance(state.pointee.job.inHand)
            open(.toHost, count: state.pointee.job.inHand &* ATADisk.sectorSize)
            channel.raiseInterrupt()
        case .writingBlocks:
            advance(state.pointee.job.inHand)
            if state.pointee.job.remaining > 0 {
                takeNextBlock(isFirst: false)
            } else {
                succeed()
            }
        case .verifying:
            // Its registers stay as they are (8.36.5).
            state.pointee.job.sector &+= UInt64(state.pointee.job.inHand)
            state.pointee.job.remaining &-= state.pointee.job.inHand
            if state.pointee.job.remaining > 0 {
                requestBlock(of: Self.bufferSize / ATADisk.sectorSize)
            } else {
                succeed()
            }
        default: succeed()
        }
    }

    /// What a failed read has left in the buffer is nobody's business.
    private func conceal(_ completion: BlockCompletion) {
        guard completion.operation == .read else { return }
        let from = Int(clamping: completion.transferred)
        let count = state.pointee.job.inHand &* ATADisk.sectorSize &- from
        if count > 0 {
            (buffer + from).initializeMemory(as: UInt8.self, repeating: 0, count: count)
        }
    }
}
