import BlockATA
import BlockDMA
import BlockIO
import Glibc
import GuestMemory

/// A carrier with three tags and ways of its own: a command is a record, guest memory is described by
/// *runs*, PIO data goes through arrays, and an interrupt is a list of tags.
///
/// A run is 16 bytes in guest memory: a 64-bit address, a 32-bit length, and a 32-bit word that is 1 in
/// the last run of a list.
final class QueuedCarrier: ATACarrier {
    static let tags = 3
    static let runSize = 16

    let mapper: DMAMapper
    let registers: UnsafeMutablePointer<DriveRegisters>
    let drive: UnsafeMutablePointer<AttachedDrive>

    /// Where the runs of a tag's command are in guest memory.
    var lists: [GuestAddress] = [0x1000, 0x2000, 0x3000]
    /// Commands that have ended, oldest first.
    private(set) var ended: [(tag: Int, end: CommandEnd)] = []
    /// Tags that have asked for an interrupt, oldest first.
    private(set) var interrupts: [Int] = []
    /// What a command has sent through its window.
    private(set) var received: [Int: [UInt8]] = [:]
    /// What a command takes through its window.
    var toSend: [Int: [UInt8]] = [:]
    /// What became of failed requests, with the tags of their commands.
    private(set) var failures: [(tag: Int, action: ErrorAction)] = []
    /// Called in the middle of ``commandEnded(_:tag:device:)``.
    var onEnd: ((Int) -> Void)?

    init(_ space: AddressSpace) throws {
        mapper = try DMAMapper(space)
        registers = .allocate(capacity: Self.tags)
        registers.initialize(repeating: DriveRegisters(), count: Self.tags)
        drive = .allocate(capacity: 1)
        drive.initialize(to: .absent)
    }

    deinit {
        drive.deinitialize(count: 1)
        drive.deallocate()
        registers.deinitialize(count: Self.tags)
        registers.deallocate()
    }

    /// How a drive is connected here: there is no cable to report.
    var connection: DriveConnection {
        DriveConnection(device: 5, tags: Self.tags, registers: registers, cable: 0)
    }

    // MARK: Commands

    /// Gives a command with a 48-bit address.
    func give(
        _ opcode: UInt8, tag: Int, sector: UInt64 = 0, count: UInt16 = 0, features: UInt8 = 0
    ) {
        var file = TaskFile()
        file.features.push(features)
        file.count.push(UInt8(count >> 8))
        file.count.push(UInt8(count & 0xFF))
        file.set48(sector)
        file.device |= DeviceRegister.lba
        registers[tag].taskFile = file
        drive.pointee.execute(opcode, tag: tag, on: self)
        answerDemand(tag)
    }

    /// Reads the runs of a command that is armed and begins its transfer.
    func answerDemand(_ tag: Int) {
        guard registers[tag].isArmed else { return }
        registers[tag].isArmed = false
        let demand = registers[tag].demand
        guard let runs = readRuns(tag) else {
            return drive.pointee.refuse(.fault, tag: tag, on: self)
        }
        let described = runs.reduce(0) { $0 + $1.length }
        if described < demand.bytes { return drive.pointee.refuse(.short, tag: tag, on: self) }
        if demand.isUnwanted { return drive.pointee.refuse(.unwanted, tag: tag, on: self) }
        var list = ScatterGatherList()
        var left = demand.bytes
        for run in runs where left > 0 {
            list.append(address: run.address, length: min(run.length, left))
            left -= min(run.length, left)
        }
        let (transfer, step) = mapper.begin(
            list, demand.direction, unit: demand.unit, userData: UInt(tag))
        drive.pointee.begin(transfer, step, tag: tag, on: self)
    }

    private func readRuns(_ tag: Int) -> [(address: GuestAddress, length: UInt64)]? {
        var runs: [(address: GuestAddress, length: UInt64)] = []
        var bytes = [UInt8](repeating: 0, count: Self.runSize)
        while runs.count < 64 {
            let place = lists[tag] &+ UInt64(runs.count * Self.runSize)
            let isRead = bytes.withUnsafeMutableBytes { buffer in
                (try? mapper.read(at: place, into: buffer)) != nil
            }
            guard isRead else { return nil }
            let number = { (range: Range<Int>) in
                bytes[range].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            runs.append((GuestAddress(number(0..<8)), number(8..<12)))
            if number(12..<16) == 1 { break }
        }
        return runs
    }

    /// Goes on with what was parked.
    func resume() {
        drive.pointee.retry(on: self)
        for tag in 0..<Self.tags { answerDemand(tag) }
    }

    /// A reset that the drive sees as a software reset.
    func reset() {
        drive.pointee.abandon(on: self)
        drive.pointee.softwareReset()
        for tag in 0..<Self.tags {
            registers[tag].isArmed = false
            registers[tag].window.close()
        }
    }

    // MARK: Waiting

    func poll() {
        _ = drive.pointee.poll(on: self)
        mapper.resume { transfer, step in
            drive.pointee.resume(transfer, step, tag: Int(transfer.userData), on: self)
        }
    }

    /// Polls until `isDone`; false when that takes longer than a minute.
    func wait(until isDone: () -> Bool) -> Bool {
        let start = ContinuousClock.now
        while !isDone() {
            if ContinuousClock.now - start > .seconds(60) { return false }
            var entry = pollfd(
                fd: drive.pointee.descriptor ?? -1, events: Int16(POLLIN), revents: 0)
            Glibc.poll(&entry, 1, 10)
            poll()
        }
        return true
    }

    /// Takes what has ended so far, and forgets it.
    func takeEnded() -> [(tag: Int, end: CommandEnd)] {
        defer {
            ended = []
            interrupts = []
        }
        return ended
    }

    // MARK: What the drive says

    func commandEnded(_ end: CommandEnd, tag: Int, device: Int) {
        precondition(device == connection.device)
        ended.append((tag, end))
        if end.isInterrupting { interrupts.append(tag) }
        onEnd?(tag)
    }

    /// Moves the data at once, in the middle of the call.
    func windowOpened(_ isInterrupting: Bool, tag: Int, device: Int) {
        if isInterrupting { interrupts.append(tag) }
        let count = registers[tag].window.left
        if registers[tag].window.direction == .toHost {
            var bytes = [UInt8](repeating: 0, count: count)
            _ = bytes.withUnsafeMutableBytes { registers[tag].window.take(into: $0) }
            received[tag, default: []] += bytes
        } else {
            let bytes = Array(toSend[tag, default: []].prefix(count))
            toSend[tag]?.removeFirst(bytes.count)
            _ = bytes.withUnsafeBytes { registers[tag].window.put(from: $0) }
        }
        registers[tag].window.close()
        drive.pointee.windowClosed(tag: tag, on: self)
        answerDemand(tag)
    }

    func packetTaken(_ packet: CommandPacket, tag: Int, device: Int) {}

    func commandDropped(tag: Int, device: Int) {}

    func requestFailed(
        _ completion: BlockCompletion, _ action: ErrorAction, tag: Int, device: Int
    ) {
        failures.append((tag, action))
    }
}
