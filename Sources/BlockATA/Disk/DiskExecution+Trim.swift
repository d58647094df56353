import BlockDMA
import BlockIO
import GuestMemory

// DATA SET MANAGEMENT with TRIM (ACS-2 7.9): all ranges are checked before the first is discarded.
extension DiskExecution {
    func manageDataSet() {
        let file = registers.pointee.taskFile
        // Features bit 0 is TRIM, the only function.
        guard file.features.current == 1, canTrim else { return abort() }
        locate(.trimming, .dataSetManagement)
        // The count has 16 bits (ACS-2 7.9.2). When a guest writes the register once, the high byte
        // has its previous content, such as the signature; QEMU ignores that byte. A count with a
        // high byte exceeds what word 105 claims, so the high byte is ignored.
        if job.remaining > ATADrive.maximumTrimBlocks {
            job.remaining = Int(file.count.current)
        }
        guard (1...ATADrive.maximumTrimBlocks).contains(job.remaining) else {
            return abort()
        }
        settings.isStandby = false
        arm()
    }

    var canTrim: Bool { disk.image.capabilities.contains(.discard) }

    /// Begins to copy the ranges from guest memory.
    @inline(never)
    func beginRanges(_ transfer: DMATransfer, _ step: DMAStep) {
        // Its answers are the host request's from here on.
        let step = unsafe host.pointee.begin(transfer, collectRanges(transfer, step))
        if case .done(let result) = step { completeTransfer(result) }
    }

    /// Goes on with copying the ranges.
    func resumeRanges(_ transfer: DMATransfer, _ step: DMAStep) {
        let step = host.pointee.resume(transfer, collectRanges(transfer, step))
        if case .done(let result)? = step { completeTransfer(result) }
    }

    /// Copies pieces, and returns the first step that is not a piece.
    private func collectRanges(_ transfer: DMATransfer, _ step: DMAStep) -> DMAStep {
        unsafe transfer.copyPieces(from: step, buffer.bytes(count: ATADrive.bufferSize))
    }

    /// The ranges have been copied: checks all of them, then discards.
    @inline(never)
    func trim() {
        for index in 0..<rangeCount where !state.pointee.isInside(range(index)) {
            transferEnd = .failure
            return abort()
        }
        discardFirst()
    }

    /// Discards all ranges from the first on, also to repeat this after a policy has kept the
    /// command.
    func discardFirst() {
        job.inHand = 0
        discardNext()
    }

    /// Discards one range at a time, so that a guest cannot flood the host with requests.
    private func discardNext() {
        while job.inHand < rangeCount {
            let range = range(job.inHand)
            if range.count > 0 {
                disk.queue.discard(
                    at: range.sector &* UInt64(ATADisk.sectorSize),
                    length: range.count &* UInt64(ATADisk.sectorSize),
                    userData: host.pointee.submit())
                return
            }
            job.inHand &+= 1
        }
        advance(job.remaining)
        transferEnd = .success
        succeed()
    }

    /// The host has completed a discard.
    func discardCompleted() {
        job.inHand &+= 1
        if host.pointee.isStopped && hasRangesLeft {
            transferEnd = .failure
            return abort()
        }
        discardNext()
    }

    private var rangeCount: Int { job.remaining &* ATADrive.rangesPerBlock }

    private var hasRangesLeft: Bool {
        (job.inHand..<rangeCount).contains { range($0).count > 0 }
    }

    private func range(_ index: Int) -> (sector: UInt64, count: UInt64) {
        ATADrive.range(buffer.number(at: index &* 8))
    }
}

extension ATADrive {
    /// IDENTIFY DEVICE word 105: blocks of ranges in one command.
    package static let maximumTrimBlocks = 64
    /// Ranges in a block of 512 bytes (ACS-2 4.18.3.1).
    package static let rangesPerBlock = 64

    /// Bits 47:0 are the first sector, bits 63:48 how many there are (ACS-2 4.18.3.1).
    package static func range(_ entry: UInt64) -> (sector: UInt64, count: UInt64) {
        (entry & 0xFFFF_FFFF_FFFF, entry >> 48)
    }
}

extension ATADrive.State {
    package func isInside(_ range: (sector: UInt64, count: UInt64)) -> Bool {
        range.count == 0 || isInside(range.sector, Int(truncatingIfNeeded: range.count))
    }
}
