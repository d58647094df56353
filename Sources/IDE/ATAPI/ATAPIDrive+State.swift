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
        writer.put(
            UnsafeRawBufferPointer(start: buffer, count: state.pointee.job.bytesInBuffer))
    }

    private var baseOfWindow: UnsafeMutableRawPointer { baseOfWindow(state.pointee.job) }

    private func baseOfWindow(_ job: PacketJob) -> UnsafeMutableRawPointer {
        job.kind == .takingPacket ? packetBuffer : buffer
    }

    func decode(_ reader: inout StateReader, isArmed: Bool) throws(IDEError) -> SavedDrive {
        var next = State()
        // The disc is compared, not restored.
        next.medium = state.pointee.medium
        try next.settings.load(&reader)
        try next.tray.load(&reader)
        next.sense = try Sense(&reader)
        next.lastBlock = try reader.take()
        next.job = try PacketJob(&reader)
        var packet: [UInt8] = []
        for _ in 0..<CommandPacket.size { packet.append(try reader.take()) }
        next.packet = CommandPacket(packet)
        let written = try reader.takeData(exactly: CommandPacket.size)
        let window = try SavedWindow(&reader, hasOffset: true)
        guard next.lastBlock < max(next.medium?.disc.blockCount ?? 0, 1) else {
            throw .damagedState("a read that ended at block \(next.lastBlock)")
        }
        let activity = try activity(of: next.job, window, isArmed: isArmed)
        try checkLayout(of: next.job)
        let data = try reader.takeData(exactly: next.job.bytesInBuffer)
        return SavedDrive(
            activity: activity, window: window.onBuffer(baseOfWindow(next.job))
        ) { [self] in
            state.pointee = next
            packetBuffer.take(written)
            buffer.take(data)
        }
    }

    /// What the drive is doing, which follows from its command; everything that carrying on with it
    /// takes for granted is checked here.
    private func activity(
        of job: PacketJob, _ window: SavedWindow, isArmed: Bool
    ) throws(IDEError) -> SavedDrive.Activity {
        let isReading = job.kind == .reading
        let isGood =
            switch job.kind {
            case .none: job == PacketJob() && !window.isOpen && !isArmed
            case .takingPacket:
                job.hasOnlyKind && job.length == 0 && job.position == 0 && !isArmed
                    && window.shows(0..<UInt64(CommandPacket.size), .toDrive)
            case .sendingPage:
                job.hasOnlyKind && !job.isDMA && job.limit == 0 && job.length == 512
                    && job.position == 512 && !isArmed && window.shows(0..<512, .toHost)
            case .replying, .selecting:
                job.hasOnlyKind && (1...UInt64(UInt16.max)).contains(job.length)
                    && hasGoodData(job, window, isArmed: isArmed)
            case .reading:
                isGoodExtent(job)
                    && (job.isParked
                        ? !window.isOpen && !isArmed && job.isGoodPark
                        : hasGoodData(job, window, isArmed: isArmed))
            }
        guard isGood, isReading || !(job.isParked || job.isMediumGone) else {
            throw .damagedState("a packet command that cannot be")
        }
        if window.isOpen { return .movingData }
        if isArmed { return .armed }
        if !job.isParked { return .idle }
        return job.isDMA ? .parkedTransfer(bytes: job.length) : .parked
    }

    /// Where user data is in a sector depends on how the disc is stored.
    private func checkLayout(of job: PacketJob) throws(IDEError) {
        guard job.kind == .reading, job.fields.isUserData, !job.isMediumGone else { return }
        guard job.fields == layout.userDataFields else {
            throw .otherHardware("\(slot) reads a disc whose sectors are stored in another way")
        }
    }

    /// A DMA command that waits for START has moved nothing; by PIO the buffer has what is offered.
    private func hasGoodData(_ job: PacketJob, _ window: SavedWindow, isArmed: Bool) -> Bool {
        guard job.isDMA == isArmed else { return false }
        if isArmed {
            return !window.isOpen && job.position == 0 && job.heldFirst == 0
                && job.heldCount == 0 && job.inHand == 0
        }
        let start = job.startOfBuffer
        let end = start + UInt64(job.bytesInBuffer)
        let first = start + UInt64(window.offset)
        guard first < job.position, job.position <= end,
            job.kind != .reading || job.heldCount == job.inHand
        else { return false }
        return window.shows(
            first - start..<job.position - start, job.kind == .selecting ? .toDrive : .toHost)
            // Only the last burst may be odd.
            && ((job.position - first) % 2 == 0 || job.position == job.length)
    }

    /// Whether the sectors of a read are on the disc, and those in the buffer are some of them.
    private func isGoodExtent(_ job: PacketJob) -> Bool {
        let size = UInt64(job.fields.size)
        guard size > 0, job.length % size == 0 else { return false }
        let count = job.length / size
        // A disc that has gone is not asked for anything any more.
        let disc =
            job.isMediumGone ? Disc(blockCount: .max) : state.pointee.medium?.disc
        guard count > 0, disc?.contains(UInt64(job.block), count: count) == true,
            job.heldFirst <= count
        else { return false }
        let room = min(UInt64(Self.bufferSectors), count - job.heldFirst)
        return UInt64(job.inHand) <= room && job.heldCount <= job.inHand
    }
}

extension SavedWindow {
    /// Whether these bytes of the buffer are what the host is to move. The last burst is padded to a
    /// whole word.
    fileprivate func shows(_ bytes: Range<UInt64>, _ direction: PIOWindow.Direction) -> Bool {
        self.direction == direction && UInt64(offset) == bytes.lowerBound
            && UInt64(end) == (bytes.upperBound - bytes.lowerBound + 1) & ~1
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

    init(_ reader: inout StateReader) throws(IDEError) {
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

    /// How many bytes of the buffer something will yet look at.
    fileprivate var bytesInBuffer: Int {
        switch kind {
        case .none, .takingPacket: 0
        case .sendingPage, .replying, .selecting: Int(clamping: length)
        case .reading: heldCount &* fields.size
        }
    }

    /// Which byte of the command is the first in the buffer.
    fileprivate var startOfBuffer: UInt64 {
        kind == .reading ? heldFirst * UInt64(fields.size) : 0
    }

    /// Commands that do not read the disc leave what is about it as it is at first.
    fileprivate var hasOnlyKind: Bool {
        var blank = PacketJob()
        blank.kind = kind
        blank.isDMA = isDMA
        blank.limit = limit
        blank.length = length
        blank.position = position
        return self == blank
    }

    /// A read that waits asks for the sectors again: by DMA for the first one, by PIO for those that
    /// the next burst begins in.
    fileprivate var isGoodPark: Bool {
        guard heldCount == 0, position < length else { return false }
        if isDMA { return position == 0 && heldFirst == 0 }
        return inHand > 0 && heldFirst == position / UInt64(fields.size)
    }
}
