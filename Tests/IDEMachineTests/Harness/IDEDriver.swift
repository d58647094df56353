import Glibc

@testable import TestSupport

/// A guest's driver of the IDE function, as far as the tests need one. PIIX: legacy ports, and the
/// bus master where it puts it.
final class IDEDriver {
    let qtest: QtestClient

    /// Where one drive is found.
    struct Place {
        /// Command block (ATA/ATAPI-6 7.2).
        let base: UInt16
        /// Alternate status and device control.
        let control: UInt16
        /// Bus-master registers of the channel (SFF-8038i 3.0).
        let busMaster: UInt16
        let interrupt: Int
        /// DEV and the bits that are always one (ATA/ATAPI-6 7.10).
        let device: UInt8

        static let primaryMaster = Place(channel: 0, device: 0)
        static let primarySlave = Place(channel: 0, device: 1)
        static let secondaryMaster = Place(channel: 1, device: 0)

        private init(channel: UInt16, device: UInt8) {
            base = channel == 0 ? ChannelPort.primary : ChannelPort.secondary
            control = base + CommandBlock.control
            busMaster = IDEDriver.busMasterBase + BusMasterRegister.secondChannel * channel
            interrupt = channel == 0 ? 14 : 15
            self.device = device == 0 ? DeviceSelect.master : DeviceSelect.slave
        }
    }

    static let busMasterBase: UInt16 = 0xc000
    /// Where descriptor tables go.
    static let table: UInt32 = 0x8000

    /// Finds the function and switches it on.
    init(_ qtest: QtestClient) throws {
        self.qtest = qtest
        try setConfiguration(PCIOffset.busMasterBAR, UInt32(Self.busMasterBase))
        try setConfiguration(PCIOffset.command, PCICommandBits.io | PCICommandBits.busMaster)
        try qtest.command("irq_intercept_in ioapic")
    }

    /// The driver of a function that is switched on already.
    init(afterLoad qtest: QtestClient) { self.qtest = qtest }

    // MARK: PCI configuration, with mechanism 1 as libqtest uses it

    /// What the address port takes for a register of the function, which is 1 of device 1.
    static func address(_ offset: Int) -> UInt32 { 0x8000_0900 | UInt32(offset) }

    func configuration<Value: FixedWidthInteger>(
        _ offset: Int, as type: Value.Type
    ) throws -> Value {
        try qtest.outl(PCIPort.address, Self.address(offset))
        return try qtest.input(PCIPort.data, as: type)
    }

    func setConfiguration<Value: FixedWidthInteger>(_ offset: Int, _ value: Value) throws {
        try qtest.outl(PCIPort.address, Self.address(offset))
        try qtest.output(PCIPort.data, value)
    }

    // MARK: Commands

    func alternateStatus(_ place: Place) throws -> UInt8 { try qtest.inb(place.control) }

    /// Waits while the drive is busy, and longer for the interrupt if `interrupt` is set; the
    /// status.
    @discardableResult
    func wait(_ place: Place, interrupt: Bool = false) throws -> UInt8 {
        for _ in 0..<60_000 {
            let status = try alternateStatus(place)
            if status & DriveStatus.busy == 0
                && (!interrupt || qtest.raised.contains(place.interrupt))
            {
                return status
            }
            usleep(1_000)
        }
        throw FixtureError.failed("the drive stays busy")
    }

    /// Writes the task file of a 28-bit command (ATA/ATAPI-6 6.2), the command last.
    func issue(
        _ place: Place, _ command: UInt8, at sector: UInt32 = 0, count: UInt8 = 1,
        features: UInt8 = 0
    ) throws {
        try qtest.outb(
            place.base + CommandBlock.device,
            place.device | DeviceSelect.lba | UInt8(sector >> 24) & 15)
        try qtest.outb(place.base + CommandBlock.features, features)
        try qtest.outb(place.base + CommandBlock.count, count)
        try qtest.outb(place.base + CommandBlock.lbaLow, UInt8(truncatingIfNeeded: sector))
        try qtest.outb(place.base + CommandBlock.lbaMid, UInt8(truncatingIfNeeded: sector >> 8))
        try qtest.outb(place.base + CommandBlock.lbaHigh, UInt8(truncatingIfNeeded: sector >> 16))
        try qtest.outb(place.base + CommandBlock.command, command)
    }

    /// IDENTIFY DEVICE: 256 words.
    func identify(_ place: Place) throws -> [UInt16] {
        try issue(place, Opcode.identifyDevice)
        try wait(place, interrupt: true)
        let status = try qtest.inb(place.base + CommandBlock.status)
        guard status == DriveStatus.wantsData else {
            throw FixtureError.failed("status 0x\(hex(status))")
        }
        return try (0..<256).map { _ in try qtest.inw(place.base) }
    }

    /// How a command has ended.
    struct End: Equatable {
        let status: UInt8
        let error: UInt8
        let busMaster: UInt8
    }

    /// Starts READ DMA or WRITE DMA (ATA/ATAPI-6 8.34, 8.45).
    func start(
        _ place: Place, _ command: UInt8, at sector: UInt32, count: UInt8,
        memory: [(address: UInt32, length: UInt32)]
    ) throws {
        for (index, piece) in memory.enumerated() {
            let entry = UInt64(Self.table) + UInt64(8 * index)
            let last: UInt32 = index == memory.count - 1 ? 1 << 31 : 0
            try qtest.store(entry, piece.address)
            try qtest.store(entry + 4, piece.length & 0xffff | last)
        }
        try qtest.outl(place.busMaster + BusMasterRegister.table, Self.table)
        try qtest.outb(
            place.busMaster + BusMasterRegister.status, BusMasterStatus.interruptAndError)
        let isRead = command == Opcode.readDMA
        try qtest.outb(
            place.busMaster, isRead ? BusMasterCommand.stopWritingMemory : BusMasterCommand.stop)
        try issue(place, command, at: sector, count: count)
        try qtest.outb(
            place.busMaster,
            isRead ? BusMasterCommand.startWritingMemory : BusMasterCommand.startReadingMemory)
    }

    /// Waits for the interrupt of a DMA command and switches the bus master off.
    func finish(_ place: Place) throws -> End {
        try wait(place, interrupt: true)
        let busMaster = try qtest.inb(place.busMaster + BusMasterRegister.status)
        try qtest.outb(place.busMaster, BusMasterCommand.stop)
        let error = try qtest.inb(place.base + CommandBlock.error)
        let status = try qtest.inb(place.base + CommandBlock.status)
        return End(status: status, error: error, busMaster: busMaster)
    }

    func transfer(
        _ place: Place, _ command: UInt8, at sector: UInt32, count: UInt8,
        memory: [(address: UInt32, length: UInt32)]
    ) throws -> End {
        try start(place, command, at: sector, count: count, memory: memory)
        return try finish(place)
    }
}
