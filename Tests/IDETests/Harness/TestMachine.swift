import BlockATA
import BlockIO
import BlockIOTesting
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// A machine without a processor: memory, a controller, and the drives a test asks for.
final class TestMachine: IDEControllerDelegate {
    /// Of the memory at address 0.
    static let memorySize = 4 << 20
    /// Where the bus master's registers are.
    static let busMaster: UInt16 = 0xC000
    /// Where ``setTable(_:isEnded:at:)`` puts tables.
    static let table: UInt32 = 0x1000
    /// Where transfers go by default.
    static let data: UInt32 = 0x10_0000

    let space: AddressSpace
    let ram: GuestRAM
    let faults = FaultInjector()
    var controller: IDEController
    private(set) var disks: [IDESlot: ATADisk] = [:]
    private var cdroms: [IDESlot: CDROMOptions] = [:]
    let configuration: MachineConfiguration
    private let identity: IDEIdentity

    /// The levels of the lines, and every change of them.
    private(set) var levels: [IDEInterrupt: Bool] = [:]
    private(set) var changes: [String] = []
    var events: [DriveEvent] = []
    /// What a guest has done and seen since ``record()``, to be compared between configurations. How
    /// often the host was asked whether it has ended is not in it.
    private(set) var trace: [TraceEntry] = []
    private var isRecording = false

    /// A machine with I/O and bus mastering on.
    init(
        _ configuration: MachineConfiguration = .one, identity: IDEIdentity = .piix3,
        resolvers: [any AddressResolver] = []
    ) throws {
        self.configuration = configuration
        self.identity = identity
        space = try AddressSpace()
        ram = try GuestRAM(size: Self.memorySize)
        try space.map(.ram(ram), at: 0)
        ram.dirtyLog.start(.migration)
        controller = try IDEController(
            identity: identity, memory: space, resolvers: resolvers,
            options: configuration.controllerOptions)
        controller.delegate = self
        enable()
    }

    /// Gives the controller its ports, as firmware does.
    func enable(_ command: UInt16 = PCICommandBits.io | PCICommandBits.busMaster) {
        // Bit 0 of a base address register says that it is of ports.
        controller.writeConfiguration(
            PCIOffset.busMasterBAR, width: 4, value: UInt32(Self.busMaster) | 1)
        controller.writeConfiguration(PCIOffset.command, width: 2, value: UInt32(command))
    }

    @discardableResult
    func attach(
        _ path: String, to slot: IDESlot = .primaryMaster, _ options: DiskOptions = DiskOptions(),
        access: OpenOptions.Access = .readWrite
    ) throws -> ATADisk {
        let image = try BlockImage.open(
            path,
            OpenOptions(
                access: access, caching: configuration.caching,
                engine: .forced(configuration.engine)))
        let disk = try ATADisk(image, options, queue: configuration.queueOptions(faults))
        try controller.attach(disk, to: slot)
        disks[slot] = disk
        return disk
    }

    @discardableResult
    func attach(
        _ image: BlockImage?, to slot: IDESlot, _ options: CDROMOptions
    ) throws -> CDROM {
        let cdrom = try CDROM(image, options, queue: configuration.queueOptions(faults))
        try controller.attach(cdrom, to: slot)
        cdroms[slot] = options
        return cdrom
    }

    /// The disks are no longer those that the test began with.
    private(set) var isReplaced = false

    /// The same drives on a new controller, as after a move to another process.
    func replaceController() throws {
        isReplaced = true
        let plugged = disks.map { ($0.key, $0.value.image, $0.value.options) }
        let media = cdroms.map { ($0.key, controller.medium(in: $0.key), $0.value) }
        disks = [:]
        controller.delegate = nil
        levels = [:]
        controller = try IDEController(
            identity: identity, memory: space, options: configuration.controllerOptions)
        controller.delegate = self
        for (slot, image, options) in plugged {
            let disk = try ATADisk(image, options, queue: configuration.queueOptions(faults))
            try controller.attach(disk, to: slot)
            disks[slot] = disk
        }
        for (slot, image, options) in media { try attach(image, to: slot, options) }
        if isRecording { record() }
    }

    // MARK: Delegate

    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    ) {
        XCTAssertTrue(controller === self.controller)
        levels[line] = isRaised
        changes.append("\(line)\(isRaised ? "+" : "-")")
    }

    func controller(_ controller: IDEController, driveEvent event: DriveEvent) {
        XCTAssertTrue(controller === self.controller)
        events.append(event)
    }

    var irq: Bool { levels[.irq14] ?? false }

    func takeChanges() -> [String] {
        defer { changes = [] }
        return changes
    }

    // MARK: Waiting

    /// Until the host has nothing to do any more.
    func settle(file: StaticString = #filePath, line: UInt = #line) {
        // The limit makes a controller that is busy for ever a failure of the test and not a hang.
        for _ in 0..<10_000 {
            guard controller.isBusy, controller.poll(timeout: Patience.limit) > 0 else { break }
        }
        XCTAssertFalse(controller.isBusy, "the host does not end", file: file, line: line)
    }

    // MARK: Memory

    func write(_ bytes: [UInt8], at address: UInt32) {
        do {
            try bytes.withUnsafeBytes { try space.write(at: GuestAddress(address), from: $0) }
        } catch {
            XCTFail("\(error)")
        }
    }

    func bytes(at address: UInt32, count: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        do {
            try result.withUnsafeMutableBytes {
                try space.read(at: GuestAddress(address), into: $0)
            }
        } catch {
            XCTFail("\(error)")
        }
        return result
    }

    /// Pages written by DMA since the last time.
    func takeDirtyPages() -> [Int] {
        var pages: [Int] = []
        ram.dirtyLog.take(.migration) { pages.append(contentsOf: $0) }
        return pages
    }

    /// What the medium of a drive has.
    func medium(_ slot: IDESlot = .primaryMaster, sector: UInt64, count: Int) throws -> [UInt8] {
        let disk = try XCTUnwrap(disks[slot])
        var result = [UInt8](repeating: 0, count: count * 512)
        try result.withUnsafeMutableBytes { buffer in
            disk.queue.read(into: buffer, at: sector * 512)
            var completion: BlockCompletion?
            disk.queue.drain { completion = $0 }
            try XCTUnwrap(completion).get(on: disk.image)
        }
        return result
    }

    // MARK: Trace

    /// Keeps a ``trace`` from now on.
    func record() {
        isRecording = true
        ram.dirtyLog.start(.display)
        controller.trace = { [unowned self] in trace.append(.event($0)) }
    }

    /// The trace, and what all of it has come to: the memory that was written, and the media.
    func takeTrace() throws -> [TraceEntry] {
        controller.trace = nil
        ram.dirtyLog.take(.display) { pages in
            for page in pages {
                let bytes = UnsafeRawBufferPointer(
                    start: ram.base + page * GuestRAM.pageSize, count: GuestRAM.pageSize)
                // A transfer that failed may have left pages as they were, and marks them or not.
                guard bytes.contains(where: { $0 != 0 }) else { continue }
                trace.append(.page(page, checksum: TraceEntry.checksum(bytes)))
            }
        }
        for (slot, disk) in disks.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            let statistics = disk.queue.statistics
            // What a device has where it was told to discard is its own affair.
            guard statistics.discards.operations == 0,
                statistics.writes.operations > 0 || isReplaced
            else { continue }
            let content = try PlainFile(disk.image.path, direct: false)
                .contents(at: 0, Int(disk.image.size))
            trace.append(.medium(slot, checksum: TraceEntry.checksum(.init(content.bytes))))
        }
        return trace
    }

    /// Notes bytes that came through the data port.
    func note(_ data: [UInt8]) {
        guard isRecording else { return }
        let checksum = data.withUnsafeBytes { TraceEntry.checksum($0) }
        trace.append(.data(count: data.count, checksum: checksum))
    }

    /// Notes everything a guest can look at without side effects, and the bytes given.
    func sample(_ what: String, _ bytes: [UInt8]...) {
        var line = "\(what): st \(hex(alternateStatus)) \(registers) bm \(hex(bmStatus))"
        line +=
            " cmd \(hex(inb(Self.busMaster))) irq \(irq) \(takeChanges().joined(separator: ","))"
        for bytes in bytes {
            line += " \(bytes.count):\(hex(bytes.withUnsafeBytes { TraceEntry.checksum($0) }))"
        }
        trace.append(.sample(line))
    }

    private var registers: String {
        let current = (IDEPort.error...IDEPort.device).map { hex(inb($0)) }
        outb(IDEPort.deviceControl, deviceControl | DeviceControlBits.highOrderByte)
        let previous = (IDEPort.error...IDEPort.lbaHigh).map { hex(inb($0)) }
        outb(IDEPort.deviceControl, deviceControl)
        return "\(current.joined(separator: " ")) hob \(previous.joined(separator: " "))"
    }

    /// What was written to device control by ``control(_:)``.
    private(set) var deviceControl: UInt8 = 0

    func control(_ value: UInt8) {
        deviceControl = value
        outb(IDEPort.deviceControl, value)
    }
}

func hex(_ value: some BinaryInteger) -> String { String(value, radix: 16) }
