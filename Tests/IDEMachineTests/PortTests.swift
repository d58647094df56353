import XCTest

@testable import TestSupport

/// Bytes, words and dwords at every port.
final class PortTests: XCTestCase {
    /// The registers of both bus masters.
    private static let busMaster = IDEDriver.busMasterBase...IDEDriver.busMasterBase + 15

    /// Sends many commands at once; the numbers that are the answers.
    private func values(_ qtest: QtestClient, _ commands: [String]) throws -> [UInt32] {
        try qtest.socket.send((commands.joined(separator: "\n") + "\n").utf8)
        return try commands.map {
            let text = try qtest.success(of: $0)
            return UInt32(text.dropFirst(2), radix: 16) ?? 0
        }
    }

    func testOtherPortsReadAsOnesAtEveryWidth() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        _ = try IDEDriver(bench.qtest)
        // Command blocks, control blocks, configuration mechanism 1, and the bus master.
        let channels = [ChannelPort.primary, ChannelPort.secondary]
        let ours =
            channels.map { $0...$0 + CommandBlock.status }
            + channels.map { $0 + CommandBlock.control...$0 + CommandBlock.control }
            + [PCIPort.address...PCIPort.data + 3, Self.busMaster]
        for (letter, width) in [("b", UInt16(1)), ("w", 2), ("l", 4)] {
            let ports = (UInt16(0)...(.max - width + 1)).filter { port in
                let isNear = ours.contains { $0.contains(port &+ 4) || $0.contains(port &- 4) }
                let isOurs = ours.contains { $0.overlaps(port...port + (width - 1)) }
                return !isOurs && (isNear || port % 31 == 0)
            }
            let found = try values(bench.qtest, ports.map { "in\(letter) \($0)" })
            let ones = UInt32.max >> UInt32(32 - 8 * width)
            for (port, value) in zip(ports, found) where value != ones {
                XCTFail("in\(letter) of \(hex(port)) is \(hex(value))")
            }
            // Writes there reach nobody.
            _ = try values(bench.qtest, ports.map { "out\(letter) \($0) 0x5a5a5a5a" })
        }
        XCTAssertEqual(try bench.qtest.inb(IDEPort.status), DriveStatus.idle)
        try bench.end()
    }

    /// A wide access to registers of a byte is one to each, the lowest first.
    func testWideReadsAreTheBytesTheyCover() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        _ = try IDEDriver(bench.qtest)
        for (index, port) in (IDEPort.count...IDEPort.lbaHigh).enumerated() {
            try bench.qtest.outb(port, UInt8(0x11 * (index + 1)))
        }
        try bench.qtest.outl(IDEDriver.busMasterBase + BusMasterRegister.table, 0x8765_4320)
        let bases =
            Array(IDEPort.error...IDEPort.status)
            + [IDEPort.alternateStatus - 1, IDEPort.alternateStatus]
            + Array(Self.busMaster)
        for base in bases {
            let bytes = try (0..<4).map { UInt32(try bench.qtest.inb(base + $0)) }
            XCTAssertEqual(
                UInt32(try bench.qtest.inw(base)), bytes[0] | bytes[1] << 8, "inw \(hex(base))")
            XCTAssertEqual(
                try bench.qtest.inl(base),
                bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24, "inl \(hex(base))")
        }
        try bench.end()
    }

    func testWideWritesReachTheRegistersTheyCover() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        _ = try IDEDriver(bench.qtest)
        try bench.qtest.outl(IDEPort.count, 0x4433_2211)
        XCTAssertEqual(
            try (0..<4).map { try bench.qtest.inb(IDEPort.count + $0) }, [0x11, 0x22, 0x33, 0x44])
        try bench.qtest.outw(IDEPort.lbaLow, 0x6655)
        XCTAssertEqual(
            try (0..<4).map { try bench.qtest.inb(IDEPort.count + $0) }, [0x11, 0x55, 0x66, 0x44])
        let pointer = IDEDriver.busMasterBase + BusMasterRegister.table
        try bench.qtest.outl(pointer, 0xffff_ffff)
        XCTAssertEqual(try bench.qtest.inl(pointer), 0xffff_fffc)
        try bench.qtest.outw(pointer + 2, 0x1234)
        try bench.qtest.outb(pointer + 1, 0x56)
        XCTAssertEqual(try bench.qtest.inl(pointer), 0x1234_56fc)
        // There is nothing beside the command and the status.
        for neighbour in [BusMasterRegister.command, BusMasterRegister.status] {
            XCTAssertEqual(try bench.qtest.inb(IDEDriver.busMasterBase + neighbour + 1), 0xff)
        }
        try bench.end()
    }

    func testTheDataPortMovesWordsAtEveryWidth() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        try driver.issue(.primaryMaster, Opcode.readSectors, at: 3)
        try driver.wait(.primaryMaster, interrupt: true)
        let sector = Bench.content(of: 3..<4)
        XCTAssertEqual(try bench.qtest.inb(IDEPort.data), sector[0])
        XCTAssertEqual(
            try bench.qtest.inw(IDEPort.data), UInt16(sector[2]) | UInt16(sector[3]) << 8)
        XCTAssertEqual(
            try bench.qtest.inl(IDEPort.data) >> 16, UInt32(sector[6]) | UInt32(sector[7]) << 8)
        XCTAssertEqual(try bench.qtest.inb(IDEPort.data), sector[8])
        try bench.end()
    }
}
