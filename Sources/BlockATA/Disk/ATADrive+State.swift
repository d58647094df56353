import BlockDMA
import BlockHost
internal import BlockState

// Saving and restoring a disk, with the command of tag 0 that it is at work on.
extension ATADrive {
    func save() -> SavedDrive {
        var command = unsafe state.pointee.commands[0]
        command.job.isParked = state.pointee.core.host(of: 0).pointee.isParked
        var saved = SavedDisk(
            sectorCount: state.pointee.sectorCount, geometry: disk.geometry,
            settings: state.pointee.settings,
            job: command.job, opcode: command.opcode, parameters: command.parameters,
            errorLog: state.pointee.errorLog, selfTests: state.pointee.selfTests,
            sectorBuffer: state.pointee.sectorBuffer.saved(count: ATADisk.sectorSize),
            window: SavedWindow(registers.pointee.window, on: state.pointee.buffer))
        saved.data = state.pointee.buffer.saved(count: saved.dataCount)
        return .disk(saved)
    }

    func check(_ saved: SavedDrive, isArmed: Bool) throws(StateError) -> DriveActivity {
        guard case .disk(let saved) = saved else { throw saved.mismatch(.disk) }
        return try StateError.inside("disk") { () throws(StateError) in
            try checkIdentity(saved)
            let activity = try activity(of: saved.job, saved.window, isArmed: isArmed)
            try checkRanges(of: saved.job, saved.data)
            return activity
        }
    }

    func load(_ saved: SavedDrive) {
        guard case .disk(let saved) = saved else { return }
        var command = DiskCommand()
        command.job = saved.job
        command.job.isParked = false
        command.opcode = saved.opcode
        command.parameters = saved.parameters
        unsafe state.pointee.commands[0] = command
        state.pointee.core.load(isParked: saved.job.isParked)
        state.pointee.settings = saved.settings
        state.pointee.errorLog = saved.errorLog
        state.pointee.selfTests = saved.selfTests
        state.pointee.sectorBuffer.load(saved.sectorBuffer)
        state.pointee.buffer.load(saved.data)
        registers.pointee.window = saved.window.onBuffer(state.pointee.buffer)
        registers.pointee.demand = saved.job.demand(sectorCount: state.pointee.sectorCount)
    }

    private var disk: ATADisk { state.pointee.disk }

    private var registers: StablePointer<DriveRegisters> {
        state.pointee.core.connection.registers(of: 0)
    }

    /// A disk of another size or shape is another disk: the guest has seen both in IDENTIFY DEVICE.
    private func checkIdentity(_ saved: SavedDisk) throws(StateError) {
        guard saved.sectorCount == disk.sectorCount else {
            throw .mismatch(
                field: "sectorCount",
                reason: "the disk has \(disk.sectorCount), and \(saved.sectorCount) in the state")
        }
        guard saved.geometry == disk.geometry else {
            throw .mismatch(
                field: "geometry",
                reason:
                    "the disk has \(disk.geometry.text), and \(saved.geometry.text) in the state")
        }
    }

    /// What the drive is doing, which follows from its command. Everything that continuing the
    /// command relies on is checked here.
    private func activity(
        of job: DiskJob, _ window: SavedWindow, isArmed: Bool
    ) throws(StateError) -> DriveActivity {
        let isGood =
            switch job.kind {
            case .none: job.hasOnlyKind && !window.isOpen && !isArmed && !job.isParked
            case .sendingPage, .takingPage:
                job.hasOnlyKind && isOnly(window, isArmed: isArmed, job)
                    && window.end == ATADisk.sectorSize
            case .flushing: job.hasOnlyKind && isParked(job, window, isArmed: isArmed)
            case .verifying:
                isParked(job, window, isArmed: isArmed) && job.blockSize == 1
                    && job.inHand == min(job.remaining, Self.bufferSize / ATADisk.sectorSize)
                    && job.inHand > 0 && state.pointee.isInside(job.sector, job.remaining)
            case .readingBlocks: isGoodRead(job, window, isArmed: isArmed)
            case .writingBlocks: isGoodWrite(job, window, isArmed: isArmed)
            case .readingDMA, .writingDMA, .trimming:
                isGoodTransfer(job, window, isArmed: isArmed)
            }
        guard isGood else {
            throw .damaged(
                field: "job", reason: "no disk of this size is at \(job.kind) with these fields")
        }
        guard !job.writesMedium || disk.image.access == .readWrite else {
            throw .mismatch(field: "job", reason: "it writes, and the image is read-only")
        }
        if window.isOpen { return .movingData }
        if isArmed { return .armed }
        if !job.isParked { return .idle }
        return job.isTransfer
            ? .parkedTransfer(bytes: UInt64(job.remaining) * UInt64(ATADisk.sectorSize)) : .parked
    }

    /// Nothing but the data port is open, in the direction of the command.
    private func isOnly(_ window: SavedWindow, isArmed: Bool, _ job: DiskJob) -> Bool {
        let direction: PIOWindow.Direction =
            switch job.kind {
            case .writingBlocks, .takingPage: .toDrive
            default: .toHost
            }
        return window.direction == direction && !isArmed && !job.isParked
    }

    private func isParked(_ job: DiskJob, _ window: SavedWindow, isArmed: Bool) -> Bool {
        job.isParked && !window.isOpen && !isArmed
    }

    private func isGoodRead(_ job: DiskJob, _ window: SavedWindow, isArmed: Bool) -> Bool {
        guard job.hasBlockSize, job.inHand > 0 else { return false }
        if isParked(job, window, isArmed: isArmed) {
            return job.inHand == min(job.remaining, job.blockSize)
                && state.pointee.isInside(job.sector, job.inHand)
        }
        // The block that is offered has been counted, and what comes next is checked when it does.
        return isOnly(window, isArmed: isArmed, job)
            && window.end == job.inHand * ATADisk.sectorSize && job.inHand <= job.blockSize
            && (job.remaining == 0 || job.inHand == job.blockSize)
            && job.sector <= disk.sectorCount && job.sector >= UInt64(job.inHand)
    }

    private func isGoodWrite(_ job: DiskJob, _ window: SavedWindow, isArmed: Bool) -> Bool {
        guard job.hasBlockSize, job.inHand > 0,
            job.inHand == min(job.remaining, job.blockSize),
            state.pointee.isInside(job.sector, job.inHand)
        else { return false }
        return isParked(job, window, isArmed: isArmed)
            || (isOnly(window, isArmed: isArmed, job)
                && window.end == job.inHand * ATADisk.sectorSize)
    }

    private func isGoodTransfer(_ job: DiskJob, _ window: SavedWindow, isArmed: Bool) -> Bool {
        guard !window.isOpen, isArmed != job.isParked, job.blockSize == 1, job.remaining > 0
        else { return false }
        if job.kind == .trimming {
            return job.remaining <= Self.maximumTrimBlocks
                && (isArmed ? job.inHand == 0 : job.inHand < job.remaining * Self.rangesPerBlock)
        }
        // Where it is on the disk is checked after START.
        return job.inHand == 0 && (isArmed || state.pointee.isInside(job.sector, job.remaining))
    }

    /// The ranges of a TRIM that waits have been checked, and are not checked again.
    private func checkRanges(of job: DiskJob, _ data: [UInt8]) throws(StateError) {
        guard job.kind == .trimming, job.isParked else { return }
        for start in stride(from: data.startIndex, to: data.endIndex, by: 8) {
            let entry = data[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            guard state.pointee.isInside(Self.range(entry)) else {
                throw .damaged(field: "data", reason: "a range of it is not inside the disk")
            }
        }
    }
}

extension DiskJob {
    /// Commands that are not about sectors leave everything else as it is at first.
    fileprivate var hasOnlyKind: Bool {
        var blank = DiskJob()
        blank.kind = kind
        blank.isParked = isParked
        return self == blank
    }

    /// READ SECTORS has blocks of one sector, READ MULTIPLE what SET MULTIPLE takes.
    fileprivate var hasBlockSize: Bool { blockSize & (blockSize - 1) == 0 }

    fileprivate var writesMedium: Bool {
        switch kind {
        case .writingBlocks, .writingDMA, .trimming: true
        default: false
        }
    }
}

extension DiskGeometry {
    /// For a message.
    fileprivate var text: String { "\(cylinders)/\(heads)/\(sectors)" }
}
