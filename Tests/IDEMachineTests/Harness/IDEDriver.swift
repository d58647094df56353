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
            base = channel == 0 ? 0x1f0 : 0x170
            control = channel == 0 ? 0x3f6 : 0x376
            busMaster = IDEDriver.busMasterBase + 8 * channel
            interrupt = channel == 0 ? 14 : 15
            self.device = 0xa0 | device << 4
        }
    }

    static let busMasterBase: UInt16 = 0xc000
    /// Where descriptor tables go.
    static let table: UInt32 = 0x8000

    /// Finds the function and switches it on.
    init(_ qtest: QtestClient) throws {
        self.qtest = qtest
        try setConfiguration(0x20, UInt32(Self.busMasterBase))  // BAR4 (PCI Local Bus 2.1, 6.2.5)
        try setConfiguration(0x04, UInt16(0x0005))  // I/O space, bus master (ditto 6.2.2)
        try qtest.command("irq_intercept_in ioapic")
    }

    /// The driver of a function that is switched on already.
    init(afterLoad qtest: QtestClient) { self.qtest = qtest }

    // MARK: PCI configuration, with mechanism 1 as libqtest uses it

    private static func address(_ offset: UInt32) -> UInt32 { 0x8000_0900 | offset }

    func configuration<Value: FixedWidthInteger>(
        _ offset: UInt32, as type: Value.Type
    ) throws -> Value {
        try qtest.outl(0xcf8, Self.address(offset))
        return try qtest.input(0xcfc, as: type)
    }

    func setConfiguration<Value: FixedWidthInteger>(_ offset: UInt32, _ value: Value) throws {
        try qtest.outl(0xcf8, Self.address(offset))
        try qtest.output(0xcfc, value)
    }

    // MARK: Commands

    func alternateStatus(_ place: Place) throws -> UInt8 { try qtest.inb(place.control) }

    /// Waits while the drive is busy, and longer for the interrupt if `interrupt` is set; the
    /// status.
    @discardableResult
    func wait(_ place: Place, interrupt: Bool = false) throws -> UInt8 {
        for _ in 0..<60_000 {
            let status = try alternateStatus(place)
            if status & 0x80 == 0 && (!interrupt || qtest.raised.contains(place.interrupt)) {
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
        try qtest.outb(place.base + 6, place.device | 0x40 | UInt8(sector >> 24) & 15)
        try qtest.outb(place.base + 1, features)
        try qtest.outb(place.base + 2, count)
        try qtest.outb(place.base + 3, UInt8(truncatingIfNeeded: sector))
        try qtest.outb(place.base + 4, UInt8(truncatingIfNeeded: sector >> 8))
        try qtest.outb(place.base + 5, UInt8(truncatingIfNeeded: sector >> 16))
        try qtest.outb(place.base + 7, command)
    }

    /// IDENTIFY DEVICE: 256 words.
    func identify(_ place: Place) throws -> [UInt16] {
        try issue(place, Opcode.identifyDevice)
        try wait(place, interrupt: true)
        let status = try qtest.inb(place.base + 7)
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

    /// Starts a DMA command: C8h reads, CAh writes (ATA/ATAPI-6 8.34, 8.45).
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
        try qtest.outl(place.busMaster + 4, Self.table)
        try qtest.outb(place.busMaster + 2, 0x06)
        try qtest.outb(place.busMaster, command == Opcode.readDMA ? 0x08 : 0x00)
        try issue(place, command, at: sector, count: count)
        try qtest.outb(place.busMaster, command == Opcode.readDMA ? 0x09 : 0x01)
    }

    /// Waits for the interrupt of a DMA command and switches the bus master off.
    func finish(_ place: Place) throws -> End {
        try wait(place, interrupt: true)
        let busMaster = try qtest.inb(place.busMaster + 2)
        try qtest.outb(place.busMaster, 0)
        let error = try qtest.inb(place.base + 1)
        let status = try qtest.inb(place.base + 7)
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
