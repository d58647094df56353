// Saving and restoring a disk, with the command it is at work on.
extension ATADrive {
    /// Kinds of drives in a saved state.
    private enum DriveKind {
        static let disk: UInt8 = 1
    }

    func describe(_ writer: inout StateWriter) {
        writer.put(DriveKind.disk)
        writer.put(disk.sectorCount)
    }

    func save(_ writer: inout StateWriter) {
        state.pointee.settings.save(&writer)
        state.pointee.job.save(&writer)
        writer.put(state.pointee.opcode)
        state.pointee.parameters.save(&writer)
        state.pointee.errorLog.save(&writer)
        state.pointee.selfTests.save(&writer)
        writer.put(UnsafeRawBufferPointer(start: sectorBuffer, count: ATADisk.sectorSize))
        let window = registers.pointee.window
        writer.put(window.direction.rawValue)
        writer.put(UInt32(window.position))
        writer.put(UInt32(window.end))
        let count = Self.dataInBuffer(state.pointee.job, window.end)
        writer.put(UnsafeRawBufferPointer(start: buffer, count: count))
    }

    /// How many bytes of the buffer something will yet look at: the window, or what a kept request
    /// needs.
    private static func dataInBuffer(_ job: DiskJob, _ windowEnd: Int) -> Int {
        guard job.isParked else { return windowEnd }
        return switch job.kind {
        case .writingBlocks: job.inHand * ATADisk.sectorSize
        case .trimming: job.remaining * ATADisk.sectorSize
        default: 0
        }
    }

    func decode(_ reader: inout StateReader, isArmed: Bool) throws(IDEError) -> SavedDrive {
        var next = State(settings: DiskSettings(disk.geometry))
        try next.settings.load(&reader)
        next.job = try DiskJob(&reader)
        next.opcode = try reader.take()
        next.parameters = try TaskFile(&reader)
        try next.errorLog.load(&reader)
        try next.selfTests.load(&reader)
        let sector = try reader.takeData(exactly: ATADisk.sectorSize)
        let window = try SavedWindow(&reader, hasOffset: false)
        let activity = try activity(of: next.job, window, isArmed: isArmed)
        let data = try reader.takeData(exactly: Self.dataInBuffer(next.job, window.end))
        try checkRanges(of: next.job, data)
        return SavedDrive(activity: activity, window: window.onBuffer(buffer)) { [self] in
            state.pointee = next
            sectorBuffer.take(sector)
            buffer.take(data)
        }
    }

    /// What the drive is doing, which follows from its command; everything that carrying on with it
    /// takes for granted is checked here.
    private func activity(
        of job: DiskJob, _ window: SavedWindow, isArmed: Bool
    ) throws(IDEError) -> SavedDrive.Activity {
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
                    && job.inHand > 0 && isInside(job.sector, job.remaining)
            case .readingBlocks: isGoodRead(job, window, isArmed: isArmed)
            case .writingBlocks: isGoodWrite(job, window, isArmed: isArmed)
            case .readingDMA, .writingDMA, .trimming:
                isGoodTransfer(job, window, isArmed: isArmed)
            }
        guard isGood else { throw .damagedState("a command that cannot be") }
        guard !job.writesMedium || disk.image.access == .readWrite else {
            throw .otherHardware("\(slot) writes, and its image is read-only")
        }
        if window.isOpen { return .movingData }
        if isArmed { return .armed }
        if !job.isParked { return .idle }
        return job.isDMA
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
                && isInside(job.sector, job.inHand)
        }
        // The block that is offered has been counted, and what comes next is checked when it does.
        return isOnly(window, isArmed: isArmed, job)
            && window.end == job.inHand * ATADisk.sectorSize && job.inHand <= job.blockSize
            && (job.remaining == 0 || job.inHand == job.blockSize)
            && job.sector <= disk.sectorCount && job.sector >= UInt64(job.inHand)
    }

    private func isGoodWrite(_ job: DiskJob, _ window: SavedWindow, isArmed: Bool) -> Bool {
        guard job.hasBlockSize, job.inHand > 0,
            job.inHand == min(job.remaining, job.blockSize), isInside(job.sector, job.inHand)
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
        return job.inHand == 0 && (isArmed || isInside(job.sector, job.remaining))
    }

    /// The ranges of a TRIM that waits have been checked, and are not checked again.
    private func checkRanges(of job: DiskJob, _ data: ArraySlice<UInt8>) throws(IDEError) {
        guard job.kind == .trimming, job.isParked else { return }
        for start in stride(from: data.startIndex, to: data.endIndex, by: 8) {
            let entry = data[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            guard isInside(Self.range(entry)) else {
                throw .damagedState("a range outside the disk")
            }
        }
    }
}

extension DiskSettings {
    func save(_ writer: inout StateWriter) {
        writer.put(multiple)
        writer.put(isWriteCacheOn)
        writer.put(isLookAheadOn)
        writer.put(transferMode)
        writer.put(revertsOnReset)
        writer.put(heads)
        writer.put(sectors)
        writer.put(isStandby)
        writer.put(isSMARTOn)
        writer.put(isAutosaveOn)
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        multiple = try reader.take(0...Self.maximumMultiple, "SET MULTIPLE")
        guard multiple & (multiple &- 1) == 0 else {
            throw .damagedState("SET MULTIPLE is \(multiple)")
        }
        isWriteCacheOn = try reader.take()
        isLookAheadOn = try reader.take()
        transferMode = try TransferMode.take(&reader)
        revertsOnReset = try reader.take()
        heads = try reader.take(1...16, "the number of heads")
        sectors = try reader.take(1...255, "the number of sectors")
        isStandby = try reader.take()
        isSMARTOn = try reader.take()
        isAutosaveOn = try reader.take()
    }
}

extension DiskJob {
    func save(_ writer: inout StateWriter) {
        writer.put(kind.rawValue)
        writer.put(addressing.rawValue)
        writer.put(isDurable)
        writer.put(isParked)
        writer.put(sector)
        writer.put(UInt32(truncatingIfNeeded: remaining))
        writer.put(UInt8(truncatingIfNeeded: blockSize))
        writer.put(UInt32(truncatingIfNeeded: inHand))
    }

    init(_ reader: inout StateReader) throws(IDEError) {
        guard let kind = Kind(rawValue: try reader.take()),
            let addressing = Addressing(rawValue: try reader.take())
        else { throw .damagedState("an unknown kind of command") }
        self.kind = kind
        self.addressing = addressing
        isDurable = try reader.take()
        isParked = try reader.take()
        sector = try reader.take()
        remaining = Int(try reader.take(0...65536 as ClosedRange<UInt32>, "a sector count"))
        blockSize = Int(try reader.take(1...16 as ClosedRange<UInt8>, "a block size"))
        inHand = Int(try reader.take(0...65536 as ClosedRange<UInt32>, "a block"))
    }

    /// Commands that are not about sectors leave everything else as it is at first.
    fileprivate var hasOnlyKind: Bool {
        var blank = DiskJob()
        blank.kind = kind
        blank.isParked = isParked
        return self == blank
    }

    /// READ SECTORS has blocks of one sector, READ MULTIPLE what SET MULTIPLE takes.
    fileprivate var hasBlockSize: Bool { blockSize & (blockSize - 1) == 0 }

    fileprivate var isDMA: Bool {
        switch kind {
        case .readingDMA, .writingDMA, .trimming: true
        default: false
        }
    }

    fileprivate var writesMedium: Bool {
        switch kind {
        case .writingBlocks, .writingDMA, .trimming: true
        default: false
        }
    }
}

extension SMARTErrorLog {
    func save(_ writer: inout StateWriter) {
        writer.put(readErrors)
        writer.put(writeErrors)
        for index in 0..<Self.capacity {
            let entry = entry(index)
            writer.put(entry.opcode)
            entry.parameters.save(&writer)
            entry.results.save(&writer)
            writer.put(entry.status)
            writer.put(entry.error)
        }
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        let (reads, writes): (UInt64, UInt64) = (try reader.take(), try reader.take())
        guard !reads.addingReportingOverflow(writes).overflow else {
            throw .damagedState("\(reads) and \(writes) errors")
        }
        load(readErrors: reads, writeErrors: writes)
        for index in 0..<Self.capacity {
            var entry = Entry()
            entry.opcode = try reader.take()
            entry.parameters = try TaskFile(&reader)
            entry.results = try TaskFile(&reader)
            entry.status = try reader.take()
            entry.error = try reader.take()
            set(index, entry)
        }
    }
}

extension SMARTSelfTestLog {
    func save(_ writer: inout StateWriter) {
        writer.put(count)
        writer.put(passed)
        writer.put(kinds)
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        load(count: try reader.take(), passed: try reader.take(), kinds: try reader.take())
    }
}
