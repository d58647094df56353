import BlockATA
import BlockIO
import IDE
import XCTest
@testable import TestSupport

// What a driver does with a CD-ROM drive.
extension TestMachine {
    @discardableResult
    func attachCD(
        _ path: String?, to slot: IDESlot = .primaryMaster, _ options: CDROMOptions = CDROMOptions()
    ) throws -> CDROM {
        try attach(path.map(openCD), to: slot, options)
    }

    func openCD(_ path: String) throws -> BlockImage {
        try BlockImage.open(
            path,
            OpenOptions(caching: configuration.caching, engine: .forced(configuration.engine)))
    }

    /// Interrupt reason, in the sector count register.
    var reason: UInt8 { count & 7 }

    /// The byte count registers.
    var byteCount: Int { Int(inb(IDEPort.lbaMid)) | Int(inb(IDEPort.lbaHigh)) << 8 }

    /// PACKET, and the twelve bytes; the drive is not waited for.
    func givePacket(
        _ bytes: [UInt8], limit: UInt16 = 0xFFFE, isDMA: Bool = false,
        file: StaticString = #filePath, line: UInt = #line
    ) {
        outb(IDEPort.device, DeviceSelect.master)
        outb(IDEPort.features, isDMA ? PacketFeature.dma : 0)
        outb(IDEPort.lbaMid, UInt8(truncatingIfNeeded: limit))
        outb(IDEPort.lbaHigh, UInt8(limit >> 8))
        outb(IDEPort.command, Opcode.packet)
        XCTAssertEqual(
            [alternateStatus, reason], [DriveStatus.wantsData, ReasonRegister.packet], "no packet",
            file: file, line: line)
        XCTAssertFalse(irq, "the packet is asked for", file: file, line: line)
        writeData(bytes + [UInt8](repeating: 0, count: 12 - bytes.count))
    }

    func packet(
        _ bytes: [UInt8], limit: UInt16 = 0xFFFE, isDMA: Bool = false,
        file: StaticString = #filePath, line: UInt = #line
    ) {
        givePacket(bytes, limit: limit, isDMA: isDMA, file: file, line: line)
        settle(file: file, line: line)
    }

    /// Takes what the drive offers, burst by burst, until the command has ended.
    func takeBursts(file: StaticString = #filePath, line: UInt = #line) -> (
        data: [UInt8], sizes: [Int]
    ) {
        var (data, sizes): ([UInt8], [Int]) = ([], [])
        while alternateStatus == DriveStatus.wantsData {
            XCTAssertTrue(irq, "a burst without interrupt", file: file, line: line)
            XCTAssertEqual(reason, ReasonRegister.dataIn, "data in", file: file, line: line)
            XCTAssertEqual(status, DriveStatus.wantsData, file: file, line: line)
            let size = byteCount
            sizes.append(size)
            data += readData(count: (size + 1) & ~1).prefix(size)
            settle(file: file, line: line)
            // Nothing has moved the drive on.
            if size == 0 || alternateStatus == DriveStatus.wantsData && !irq { break }
        }
        return (data, sizes)
    }

    /// A command that answers by PIO and succeeds.
    @discardableResult
    func dataIn(
        _ bytes: [UInt8], limit: UInt16 = 0xFFFE, file: StaticString = #filePath,
        line: UInt = #line
    ) -> [UInt8] {
        packet(bytes, limit: limit, file: file, line: line)
        let data = takeBursts(file: file, line: line).data
        expectSuccess(file: file, line: line)
        return data
    }

    func expectSuccess(file: StaticString = #filePath, line: UInt = #line) {
        XCTAssertTrue(irq, "no interrupt at the end", file: file, line: line)
        XCTAssertEqual([error, reason], [0, ReasonRegister.status], file: file, line: line)
        XCTAssertEqual(status, DriveStatus.idle, file: file, line: line)
        XCTAssertFalse(irq, file: file, line: line)
    }

    /// The command that was given fails, and REQUEST SENSE says so, once.
    func expectFailure(
        _ sense: SenseKeyCode, file: StaticString = #filePath, line: UInt = #line
    ) {
        XCTAssertTrue(irq, "no interrupt at the end", file: file, line: line)
        XCTAssertEqual(
            [error, reason], [sense.key << 4, ReasonRegister.status], file: file, line: line)
        XCTAssertEqual(status, DriveStatus.failed, file: file, line: line)
        XCTAssertEqual(
            takeSense(file: file, line: line), sense, file: file, line: line)
    }

    /// ABRT, without a sense.
    func expectAbort(file: StaticString = #filePath, line: UInt = #line) {
        XCTAssertTrue(irq, "no interrupt at the end", file: file, line: line)
        XCTAssertEqual(
            [error, reason], [DriveError.aborted, ReasonRegister.status], file: file, line: line)
        XCTAssertEqual(status, DriveStatus.failed, file: file, line: line)
    }

    func takeSense(file: StaticString = #filePath, line: UInt = #line) -> SenseKeyCode {
        let data = dataIn([PacketOpcode.requestSense, 0, 0, 0, 18], file: file, line: line)
        guard data.count == 18 else { return SenseKeyCode(0xFF, 0) }
        return SenseKeyCode(data[2], UInt16(data[12]) << 8 | UInt16(data[13]))
    }

    /// TEST UNIT READY: `nil` when it succeeds, without a look at the sense.
    func testUnitReady() -> UInt8? {
        packet([PacketOpcode.testUnitReady])
        let failed = status & 1 != 0
        return failed ? error : nil
    }

    /// A command whose answer goes to ``data`` by DMA.
    func packetDMA(
        _ bytes: [UInt8], _ entries: [(address: UInt32, size: Int)], startsFirst: Bool = false,
        toMemory: Bool = true, settles: Bool = true
    ) {
        stop()
        clearBusMasterStatus()
        setTable(entries)
        if startsFirst { start(toMemory: toMemory) }
        givePacket(bytes, isDMA: true)
        if !startsFirst { start(toMemory: toMemory) }
        if settles { settle() }
    }

    static func read10(_ block: UInt32, count: UInt16) -> [UInt8] {
        [PacketOpcode.read10, 0] + bytes(block) + [
            0, UInt8(count >> 8), UInt8(truncatingIfNeeded: count),
        ]
    }

    static func readCD(_ block: UInt32, count: UInt32, _ fields: UInt8) -> [UInt8] {
        [PacketOpcode.readCD, 0] + bytes(block) + bytes(count).dropFirst() + [fields]
    }

    static func bytes(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
