import CTestSupport
import Glibc

@testable import TestSupport

/// A peer of a vfio-user face that has a disk: what QEMU would do, with 1 MiB of guest memory.
class VFIODriver {
    static let memorySize = 1 << 20
    let directory: TemporaryDirectory
    private(set) var peer: VFIOPeer!
    /// Guest memory, at 0; the machine has it only if it was mapped with it.
    private(set) var memory: Descriptor
    /// The interrupt line.
    private(set) var event: Descriptor
    /// Called with each DMA_READ and DMA_WRITE before it is answered.
    var beforeAnswer: (VFIOMessage) throws -> Void = { _ in }

    var socketPath: String { directory.path("socket") }

    init(_ directory: TemporaryDirectory) throws {
        self.directory = directory
        memory = try Self.newMemory()
        event = try Self.newEvent()
    }

    static func newMemory() throws -> Descriptor {
        let memory = Descriptor(try SystemCall.check(cts_memfd(memorySize), "memfd_create"))
        try SystemCall.check(cts_seal_shrink(memory.raw), "F_ADD_SEALS")
        return memory
    }

    private static func newEvent() throws -> Descriptor {
        Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
    }

    /// Lets the machine work until it has said something, but not for long.
    func turn() throws { _ = cts_wait_readable(peer.socket.raw, 10) }

    /// Waits until the interrupt line is signalled.
    func waitForInterrupt() throws {
        guard cts_wait_readable(event.raw, LineSocket.patience) == 1 else {
            throw FixtureError.failed("no interrupt")
        }
    }

    // MARK: The connection

    /// Connects; the memory is mapped as a peer does it that `shares` it, or not.
    func connect(shares: Bool) throws {
        // The path is there from bind(2) on, and the socket refuses connections until listen(2).
        var socket = cts_connect(socketPath)
        try eventually("the machine takes a connection") {
            if socket == -ECONNREFUSED { socket = cts_connect(socketPath) }
            return socket != -ECONNREFUSED
        }
        try SystemCall.check(socket, "connect")
        peer = VFIOPeer(socket) { [unowned self] in try turn() }
        try request(VFIORequest.version())
        try map(shares: shares)
        try request(VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent), [event.raw])
        try enable()
    }

    func map(shares: Bool) throws {
        try request(VFIORequest.map(0, UInt64(Self.memorySize)), shares ? [memory.raw] : [])
    }

    /// Switches ports and bus master on; with `interruptDisable` as the command register has it.
    func enable(interruptDisable: UInt16 = 0) throws {
        try request(
            VFIORequest.writeConfiguration(
                PCIOffset.command,
                PCICommandBits.io | PCICommandBits.busMaster | interruptDisable))
    }

    /// Another peer, with memory and an eventfd of its own, takes the place of the one there was.
    func reconnect(shares: Bool = true) throws {
        peer.socket.close()
        memory = try Self.newMemory()
        event = try Self.newEvent()
        try connect(shares: shares)
    }

    /// How often the line was signalled since the last time.
    var signals: UInt64 {
        var count: UInt64 = 0
        return Glibc.read(event.raw, &count, 8) == 8 ? count : 0
    }

    @discardableResult
    func request(_ message: VFIOMessage, _ descriptors: [CInt] = []) throws -> VFIOMessage {
        let reply = try peer.request(message, descriptors)
        guard reply.failure == 0 else {
            throw FixtureError.failed("errno \(reply.failure) for \(message)")
        }
        return reply
    }

    // MARK: Registers

    func read(_ bar: UInt32, _ offset: UInt16) throws -> UInt8 {
        try request(VFIORequest.read(bar, UInt64(offset), 1)).body.last ?? 0
    }

    func write(_ bar: UInt32, _ offset: UInt16, _ data: [UInt8]) throws {
        try request(VFIORequest.write(bar, UInt64(offset), data))
    }

    var status: UInt8 { get throws { try read(VFIORegion.bar0, CommandBlock.status) } }
    var error: UInt8 { get throws { try read(VFIORegion.bar0, CommandBlock.error) } }
    var alternateStatus: UInt8 { get throws { try read(VFIORegion.bar1, ControlBlock.control) } }
    var busMasterStatus: UInt8 {
        get throws { try read(VFIORegion.bar4, BusMasterRegister.status) }
    }

    /// Sets SRST and clears it again.
    func resetChannel() throws {
        try write(VFIORegion.bar1, ControlBlock.control, [DeviceControlBits.softwareReset])
        try write(VFIORegion.bar1, ControlBlock.control, [0])
    }

    func writeBusMaster(command: UInt8) throws {
        try write(VFIORegion.bar4, BusMasterRegister.command, [command])
    }

    func writeBusMaster(table: Int) throws {
        try write(VFIORegion.bar4, BusMasterRegister.table, le(UInt32(table)))
    }

    /// Lets the line be signalled again, as after its handler.
    func unmaskInterrupt() throws { try request(VFIORequest.setIRQs(VFIOIRQFlags.unmask)) }

    // MARK: Memory

    func fill(_ address: Int, _ bytes: [UInt8]) {
        _ = pwrite(memory.raw, bytes, bytes.count, address)
    }

    func bytes(_ address: Int, _ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = pread(memory.raw, &bytes, count, address)
        return bytes
    }

    /// Serves the next message that asks for memory, from where the machine cannot reach itself.
    func answer() throws {
        let command = try peer.anyCommand()
        try beforeAnswer(command)
        try answer(command)
    }

    func answer(_ command: VFIOMessage) throws {
        let address = Int(command.u64(0))
        let count = Int(command.u64(8))
        var reply = VFIOMessage(
            id: command.id, command: command.command, flags: VFIOMessageFlags.reply)
        reply.body = Array(command.body[..<16])
        if command.command == VFIOCommand.dmaRead {
            reply.body += bytes(address, count)
        } else {
            fill(address, Array(command.body[16...]))
        }
        try peer.send(reply)
    }

    // MARK: Commands

    /// READ DMA or WRITE DMA of `count` sectors from `sector` on: the registers, the table
    /// at `table`, the start.
    func start(
        _ command: UInt8, at sector: UInt8, count: UInt8, table: Int = 0x1000,
        _ pieces: [(address: Int, size: Int)]
    ) throws {
        var entries: [UInt8] = []
        for (index, piece) in pieces.enumerated() {
            let end: UInt32 = index == pieces.count - 1 ? 1 << 31 : 0
            entries += le(UInt32(piece.address)) + le(UInt32(piece.size) | end)
        }
        fill(table, entries)
        try writeBusMaster(command: BusMasterCommand.stop)
        // Writing 1 clears.
        try write(VFIORegion.bar4, BusMasterRegister.status, [BusMasterStatus.interruptAndError])
        try writeBusMaster(table: table)
        for (register, value) in [
            (CommandBlock.count, count), (CommandBlock.lbaLow, sector), (CommandBlock.lbaMid, 0),
            (CommandBlock.lbaHigh, 0),
            (CommandBlock.device, DeviceSelect.master | DeviceSelect.lba),
            (CommandBlock.command, command),
        ] { try write(VFIORegion.bar0, register, [value]) }
        try writeBusMaster(
            command: command == Opcode.readDMA
                ? BusMasterCommand.startWritingMemory : BusMasterCommand.startReadingMemory)
    }

    /// Waits for the interrupt; its handler's reads and the end.
    func finish() throws -> (status: UInt8, busMaster: UInt8) {
        try waitForInterrupt()
        _ = signals
        let busMaster = try busMasterStatus
        let status = try status
        try writeBusMaster(command: BusMasterCommand.stop)
        try unmaskInterrupt()
        return (status, busMaster)
    }

    /// What the image holds.
    func medium(_ sectors: Range<Int>) throws -> [UInt8] {
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(directory.path("disk.img"), O_RDONLY), "open"))
        var bytes = [UInt8](repeating: 0, count: sectors.count * 512)
        _ = pread(file.raw, &bytes, bytes.count, sectors.lowerBound * 512)
        return bytes
    }
}
