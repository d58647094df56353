// Saving and restoring a CD/DVD-ROM drive, with the command it is at work on.
extension ATAPIDrive {
    /// A kind of drive in a saved state; a disk is 1.
    private static let kind: UInt8 = 2

    func describe(_ writer: inout StateWriter) {
        writer.put(Self.kind)
        writer.put(state.pointee.medium?.disc.blockCount ?? 0)
    }

    func save(_ writer: inout StateWriter) {
        state.pointee.settings.save(&writer)
        state.pointee.tray.save(&writer)
        state.pointee.sense.save(&writer)
        writer.put(state.pointee.lastBlock)
        state.pointee.job.save(&writer)
        for index in 0..<CommandPacket.size { writer.put(state.pointee.packet[index]) }
        writer.put(UnsafeRawBufferPointer(start: packetBuffer, count: CommandPacket.size))
        let window = registers.pointee.window
        writer.put(window.direction.rawValue)
        writer.put(UInt32(clamping: window.base.map { $0 - baseOfWindow } ?? 0))
        writer.put(UInt32(window.position))
        writer.put(UInt32(window.end))
        writer.put(UnsafeRawBufferPointer(start: buffer, count: bytesInBuffer))
    }

    private var baseOfWindow: UnsafeMutableRawPointer {
        state.pointee.job.kind == .takingPacket ? packetBuffer : buffer
    }

    /// How many bytes of the buffer something will yet look at.
    private var bytesInBuffer: Int {
        let job = state.pointee.job
        return switch job.kind {
        case .none, .takingPacket: 0
        case .sendingPage, .replying, .selecting: Int(clamping: job.length)
        case .reading: job.heldCount &* job.fields.size
        }
    }

    func load(_ reader: inout StateReader) throws(IDEError) {
        try state.pointee.settings.load(&reader)
        try state.pointee.tray.load(&reader)
        state.pointee.sense = try Sense(&reader)
        state.pointee.lastBlock = try reader.take()
        try state.pointee.job.load(&reader)
        try checkJob()
        var packet: [UInt8] = []
        for _ in 0..<CommandPacket.size { packet.append(try reader.take()) }
        state.pointee.packet = CommandPacket(packet)
        try load(CommandPacket.size, into: packetBuffer, &reader)
        try loadWindow(&reader)
        try load(bytesInBuffer, into: buffer, &reader)
    }

    private func load(
        _ count: Int, into target: UnsafeMutableRawPointer, _ reader: inout StateReader
    ) throws(IDEError) {
        let data = try reader.takeData(limit: Self.bufferSize)
        guard data.count == count else { throw .damagedState("\(data.count) bytes of data") }
        for (index, byte) in data.enumerated() {
            target.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
    }

    private func loadWindow(_ reader: inout StateReader) throws(IDEError) {
        guard let direction = PIOWindow.Direction(rawValue: try reader.take()) else {
            throw .damagedState("a window without direction")
        }
        let offset = Int(try reader.take(UInt32.self))
        let position = Int(try reader.take(UInt32.self))
        let end = Int(try reader.take(UInt32.self))
        registers.pointee.window.close()
        guard direction != .none else { return }
        let job = state.pointee.job
        let room =
            switch job.kind {
            case .none: 0
            case .takingPacket: CommandPacket.size
            // The last burst may be padded.
            default: (bytesInBuffer + 1) & ~1
            }
        let isInward = job.kind == .takingPacket || job.kind == .selecting
        guard end <= room, offset <= room - end, position < end, position % 2 == 0, end % 2 == 0,
            !job.isParked, isInward == (direction == .toDrive)
        else { throw .damagedState("a window of \(position) to \(end)") }
        registers.pointee.window.open(
            direction, baseOfWindow + offset, count: end, position: position)
    }

    /// What the rest of the drive takes for granted.
    private func checkJob() throws(IDEError) {
        let job = state.pointee.job
        var isGood = job.position <= job.length && (!job.isParked || job.kind == .reading)
        switch job.kind {
        case .none, .takingPacket: isGood = isGood && job.length == 0
        case .sendingPage, .replying, .selecting:
            isGood = isGood && job.length <= UInt64(Self.bufferSize) - 1
        case .reading:
            let size = UInt64(job.fields.size)
            let limit = UInt64(Self.bufferSectors)
            isGood = isGood && size > 0 && job.length % max(size, 1) == 0
            let count = job.length / max(size, 1)
            let isOnDisc =
                state.pointee.medium?.disc.contains(UInt64(job.block), count: count) ?? false
            isGood = isGood && count > 0 && (isOnDisc || job.isMediumGone)
            isGood = isGood && job.heldFirst <= count && UInt64(job.heldCount) <= limit
            isGood = isGood && UInt64(job.inHand) <= min(limit, count - min(job.heldFirst, count))
            isGood = isGood && job.heldCount <= job.inHand
            isGood = isGood && (!job.isParked || job.isDMA || job.inHand > 0)
        }
        if registers.pointee.isArmed {
            isGood = isGood && job.isDMA && job.length > 0 && job.position == 0 && !job.isParked
        }
        guard isGood else { throw .damagedState("a command that cannot be") }
    }
}

extension PacketJob {
    func save(_ writer: inout StateWriter) {
        writer.put(kind.rawValue)
        writer.put(isDMA)
        writer.put(limit)
        writer.put(isParked)
        writer.put(isMediumGone)
        writer.put(length)
        writer.put(position)
        writer.put(block)
        writer.put(UInt16(fields.range.lowerBound))
        writer.put(UInt16(fields.range.upperBound))
        writer.put(heldFirst)
        writer.put(UInt32(heldCount))
        writer.put(UInt32(inHand))
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        guard let kind = Kind(rawValue: try reader.take()) else {
            throw .damagedState("an unknown kind of packet command")
        }
        self.kind = kind
        isDMA = try reader.take()
        limit = try reader.take()
        isParked = try reader.take()
        isMediumGone = try reader.take()
        length = try reader.take()
        position = try reader.take()
        block = try reader.take()
        guard
            let fields = SectorFields(
                lowerBound: try reader.take(), upperBound: try reader.take())
        else { throw .damagedState("a part of a sector") }
        self.fields = fields
        heldFirst = try reader.take()
        heldCount = Int(try reader.take(UInt32.self))
        inHand = Int(try reader.take(UInt32.self))
    }
}
