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
        writer.put(UnsafeRawBufferPointer(start: buffer, count: dataInBuffer))
    }

    /// How many bytes of the buffer something will yet look at.
    private var dataInBuffer: Int {
        let job = state.pointee.job
        if registers.pointee.window.direction != .none { return registers.pointee.window.end }
        guard job.isParked else { return 0 }
        return switch job.kind {
        case .writingBlocks: job.inHand * ATADisk.sectorSize
        case .trimming: job.remaining * ATADisk.sectorSize
        default: 0
        }
    }

    func load(_ reader: inout StateReader) throws(IDEError) {
        try state.pointee.settings.load(&reader)
        try state.pointee.job.load(&reader)
        state.pointee.opcode = try reader.take()
        try state.pointee.parameters.load(&reader)
        try state.pointee.errorLog.load(&reader)
        try state.pointee.selfTests.load(&reader)
        let sector = try reader.takeData(limit: ATADisk.sectorSize)
        guard sector.count == ATADisk.sectorSize else { throw .damagedState("a short sector") }
        for (index, byte) in sector.enumerated() {
            sectorBuffer.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        try loadWindow(&reader)
        try checkJob()
        let data = try reader.takeData(limit: Self.bufferSize)
        guard data.count == dataInBuffer else { throw .damagedState("\(data.count) bytes of data") }
        for (index, byte) in data.enumerated() {
            buffer.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
    }

    private func loadWindow(_ reader: inout StateReader) throws(IDEError) {
        guard let direction = PIOWindow.Direction(rawValue: try reader.take()) else {
            throw .damagedState("a window without direction")
        }
        let position = Int(try reader.take(UInt32.self))
        let end = Int(try reader.take(UInt32.self))
        registers.pointee.window.close()
        guard direction != .none else {
            guard position == 0, end == 0 else { throw .damagedState("a closed window") }
            return
        }
        let job = state.pointee.job
        let isExpected =
            switch job.kind {
            case .readingBlocks, .writingBlocks: end == job.inHand * ATADisk.sectorSize
            case .sendingPage, .takingPage: end == ATADisk.sectorSize
            default: false
            }
        let isInward = job.kind == .writingBlocks || job.kind == .takingPage
        guard isExpected, position < end, position % 2 == 0, !job.isParked,
            isInward == (direction == .toDrive)
        else { throw .damagedState("a window of \(position) to \(end)") }
        registers.pointee.window.open(direction, buffer, count: end, position: position)
    }

    /// What the rest of the drive takes for granted.
    private func checkJob() throws(IDEError) {
        let job = state.pointee.job
        let isDMA =
            switch job.kind {
            case .readingDMA, .writingDMA, .trimming: true
            default: false
            }
        let isTooLarge =
            job.kind == .trimming
            ? job.remaining > Self.maximumTrimBlocks
                || job.inHand > Self.maximumTrimBlocks * Self.rangesPerBlock
            : job.inHand > Self.bufferSize / ATADisk.sectorSize
        guard !isTooLarge, !registers.pointee.isArmed || (isDMA && !job.isParked),
            !job.isParked || job.kind != .none
        else { throw .damagedState("a command that cannot be") }
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
        isWriteCacheOn = try reader.take()
        isLookAheadOn = try reader.take()
        transferMode = try reader.take()
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

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
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
        load(readErrors: try reader.take(), writeErrors: try reader.take())
        for index in 0..<Self.capacity {
            var entry = Entry()
            entry.opcode = try reader.take()
            try entry.parameters.load(&reader)
            try entry.results.load(&reader)
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
