import BlockDMA
import BlockIO
import GuestMemory

// DATA SET MANAGEMENT with TRIM (ACS-2 7.9): all ranges are checked before the first is discarded.
extension ATADrive {
    /// IDENTIFY DEVICE word 105: blocks of ranges in one command.
    static let maximumTrimBlocks = 64
    /// Ranges in a block of 512 bytes (ACS-2 4.18.3.1).
    static let rangesPerBlock = 64

    func manageDataSet() {
        let file = registers.pointee.taskFile
        // Features bit 0 is TRIM, the only one there is.
        guard file.features.current == 1, canTrim else { return fail(ErrorBits.aborted) }
        locate(.trimming, .dataSetManagement)
        // The count has 16 bits (ACS-2 7.9.2). A host that writes the register once has in the high
        // byte whatever was there before, such as the signature; QEMU never looks at that byte. Any
        // high byte is more than word 105 claims, so it is taken for such a remainder.
        if state.pointee.job.remaining > Self.maximumTrimBlocks {
            state.pointee.job.remaining = Int(file.count.current)
        }
        guard (1...Self.maximumTrimBlocks).contains(state.pointee.job.remaining) else {
            return fail(ErrorBits.aborted)
        }
        state.pointee.settings.isStandby = false
        channel.arm(registers)
    }

    var canTrim: Bool { disk.image.capabilities.contains(.discard) }

    /// Takes the ranges out of guest memory.
    func collectRanges() {
        let (transfer, step) = channel.beginTransfer(
            of: slot.device, .toDevice, unit: ATADisk.sectorSize)
        state.pointee.transfer = .passUnretained(transfer)
        collectRanges(transfer, step)
    }

    func collectRanges(_ transfer: DMATransfer, _ step: DMAStep) {
        let bytes = UnsafeMutableRawBufferPointer(start: buffer, count: Self.bufferSize)
        guard case .done(let result) = transfer.copyPieces(from: step, bytes) else { return }
        state.pointee.transfer = nil
        switch result.outcome {
        case .success: trim()
        case .fault, .deviceFailed: endTransfer(.fault, ErrorBits.aborted)
        case .cancelled: endTransfer(.failure, ErrorBits.aborted)
        }
    }

    private func trim() {
        for index in 0..<rangeCount where !isInside(range(index)) {
            return endTransfer(.failure, ErrorBits.aborted)
        }
        discardFirst()
    }

    /// Begins, or begins again.
    func discardFirst() {
        state.pointee.job.inHand = 0
        discardNext()
    }

    /// One range after the other, so that a guest cannot flood the host with requests.
    private func discardNext() {
        while state.pointee.job.inHand < rangeCount {
            let range = range(state.pointee.job.inHand)
            if range.count > 0 {
                state.pointee.isInFlight = true
                requests.discard(
                    at: range.sector &* UInt64(ATADisk.sectorSize),
                    length: range.count &* UInt64(ATADisk.sectorSize))
                return
            }
            state.pointee.job.inHand &+= 1
        }
        advance(state.pointee.job.remaining)
        channel.transferEnded(.success)
        succeed()
    }

    /// The host has answered a discard.
    func rangeEnded(_ completion: BlockCompletion) {
        if !completion.isSuccess {
            switch decide(completion) {
            case .ignore: break
            case .stop: return park()
            case .report:
                channel.transferEnded(.failure)
                return failHost(.discard)
            }
        }
        state.pointee.job.inHand &+= 1
        if state.pointee.isStopped && hasRangesLeft {
            return endTransfer(.failure, ErrorBits.aborted)
        }
        discardNext()
    }

    private var rangeCount: Int { state.pointee.job.remaining &* Self.rangesPerBlock }

    private var hasRangesLeft: Bool {
        (state.pointee.job.inHand..<rangeCount).contains { range($0).count > 0 }
    }

    private func range(_ index: Int) -> (sector: UInt64, count: UInt64) {
        Self.range(
            UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self)))
    }

    /// Bits 47:0 are the first sector, bits 63:48 how many there are (ACS-2 4.18.3.1).
    static func range(_ entry: UInt64) -> (sector: UInt64, count: UInt64) {
        (entry & 0xFFFF_FFFF_FFFF, entry >> 48)
    }

    func isInside(_ range: (sector: UInt64, count: UInt64)) -> Bool {
        range.count == 0
            || (range.sector < disk.sectorCount && range.count <= disk.sectorCount &- range.sector)
    }
}
