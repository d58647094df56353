import BlockDMA
import BlockHost
internal import BlockState

// Saving and restoring a CD/DVD-ROM drive, with the command it is at work on.
extension ATAPIDrive {
    func save() -> SavedDrive {
        let state = state.pointee
        var job = state.job
        job.isParked = state.core.host(of: 0).pointee.isParked
        return .packet(
            SavedPacketDrive(
                blockCount: discSize, settings: state.settings, tray: state.tray,
                sense: state.sense, lastBlock: state.lastBlock, job: job,
                packet: state.packet,
                packetBuffer: state.packetBuffer.saved(count: CommandPacket.size),
                window: SavedWindow(registers.pointee.window, on: windowBuffer(job)),
                data: state.buffer.saved(count: job.bytesInBuffer)))
    }

    func check(_ saved: SavedDrive, isArmed: Bool) throws(StateError) -> DriveActivity {
        guard case .packet(let saved) = saved else { throw saved.mismatch(.packet) }
        return try StateError.inside("packet") { () throws(StateError) in
            guard saved.blockCount == discSize else {
                throw .mismatch(
                    field: "blockCount",
                    reason: "the disc has \(discSize), and \(saved.blockCount) in the state")
            }
            let activity = try activity(of: saved.job, saved.window, isArmed: isArmed)
            try checkLayout(of: saved.job)
            return activity
        }
    }

    func load(_ saved: SavedDrive) {
        guard case .packet(let saved) = saved else { return }
        // The disc has been compared, and is not restored.
        state.pointee.settings = saved.settings
        state.pointee.tray = saved.tray
        state.pointee.sense = saved.sense
        state.pointee.lastBlock = saved.lastBlock
        state.pointee.tag = 0
        state.pointee.job = saved.job
        state.pointee.job.isParked = false
        state.pointee.core.load(isParked: saved.job.isParked)
        state.pointee.packet = saved.packet
        state.pointee.packetBuffer.load(saved.packetBuffer)
        state.pointee.buffer.load(saved.data)
        registers.pointee.window = saved.window.onBuffer(windowBuffer(saved.job))
        registers.pointee.demand = saved.job.demand
    }

    private var registers: StablePointer<DriveRegisters> {
        state.pointee.core.connection.registers(of: 0)
    }

    private var discSize: UInt32 { state.pointee.medium?.disc.blockCount ?? 0 }

    private func windowBuffer(_ job: PacketJob) -> DriveBuffer {
        job.kind == .takingPacket ? state.pointee.packetBuffer : state.pointee.buffer
    }

    /// What the drive is doing, which follows from its command. Everything that continuing the
    /// command relies on is checked here.
    private func activity(
        of job: PacketJob, _ window: SavedWindow, isArmed: Bool
    ) throws(StateError) -> DriveActivity {
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
            throw .damaged(
                field: "job", reason: "no drive with this disc is at \(job.kind) with these fields")
        }
        if window.isOpen { return .movingData }
        if isArmed { return .armed }
        if !job.isParked { return .idle }
        return job.isDMA ? .parkedTransfer(bytes: job.length) : .parked
    }

    /// Where user data is in a sector depends on how the disc is stored.
    private func checkLayout(of job: PacketJob) throws(StateError) {
        guard job.kind == .reading, job.fields.isUserData, !job.isMediumGone else { return }
        let layout = state.pointee.medium?.disc.layout ?? .blocks
        guard job.fields == layout.userDataFields else {
            throw .mismatch(
                field: "job.fields", reason: "the sectors of the disc are stored in another way")
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
        // Bursts before the last one are even, and so is the place where each begins.
        guard first < job.position, job.position <= end, window.offset % 2 == 0,
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
