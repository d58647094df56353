import BlockATA
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI" and "Task file": signature, resets, and commands that are no packets.
final class PacketResetTests: CDTestCase {
    private func expectSignature(_ m: Machine, line: UInt = #line) {
        XCTAssertEqual(m.alternateStatus, 0, line: line)
        XCTAssertEqual([m.error, m.count], [1, 1], line: line)
        XCTAssertEqual(m.address24, 0xEB1401, line: line)
        XCTAssertFalse(m.irq, line: line)
    }

    func testSignatures() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            expectSignature(m)
            m.outb(0x1F2, 0x55)
            m.control(4)
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.control(0)
            expectSignature(m)
            m.outb(0x1F4, 0x55)
            m.outb(0x1F6, 0xEF)
            m.outb(0x1F7, 0x08)
            expectSignature(m)
            XCTAssertEqual(m.device, 0xA0)
            m.outb(0x1F7, 0x90)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.status, 0)
            expectSignature(m)
        }
    }

    func testIdentifyAndReadAbortWithTheSignature() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            for opcode in [0xEC, 0x20, 0x21] as [UInt8] {
                m.command28(opcode, lba: 0x7654321, count: 9)
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.error, m.count, m.device], [4, 1, 0xE0])
                XCTAssertEqual(m.address24, 0xEB1401)
                XCTAssertEqual(m.status, 0x41)
            }
            // Others, unknown or a disk's, just abort.
            for opcode in [0x00, 0xC8, 0x25, 0xE7, 0xFE, 0xB0] as [UInt8] {
                m.command28(opcode, lba: 0x123456, count: 9)
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.error, m.count], [4, 9])
                XCTAssertEqual(m.status, 0x41)
            }
        }
    }

    /// A drive that is held in reset takes no command at all.
    func testDeviceResetDuringSRSTIsIgnored() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.control(4)
            m.outb(0x1F7, 0x08)
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.outb(0x1F7, 0xA0)
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.control(0)
            expectSignature(m)
        }
    }

    func testDeviceResetEndsEverything() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            // While the packet is wanted; DRQ keeps every other command away.
            m.outb(0x1F6, 0xA0)
            m.outb(0x1F7, 0xA0)
            m.outb(0x1F7, 0xA1)
            XCTAssertEqual(m.alternateStatus, 0x58)
            m.outb(0x1F7, 0x08)
            expectSignature(m)
            // While data is offered.
            m.packet(Machine.read10(0, count: 2))
            m.outb(0x1F7, 0x08)
            expectSignature(m)
            XCTAssertEqual(m.readData(count: 2), [0, 0])
            // While a command waits for the bus master.
            m.setTable([(Machine.data, 2048)])
            m.packet(Machine.read10(0, count: 1), isDMA: true)
            m.outb(0x1F7, 0x08)
            m.start(toMemory: true)
            m.settle()
            expectSignature(m)
            XCTAssertEqual(
                m.bytes(at: Machine.data, count: 2048), [UInt8](repeating: 0, count: 2048))
            m.stop()
            XCTAssertEqual(m.dataIn(Machine.read10(1, count: 1)), Self.content(block: 1))
        }
    }

    func testDeviceResetWaitsForTheHost() throws {
        for (packet, isDMA) in [
            (Machine.read10(0, count: 1), true), (Machine.read10(0, count: 1), false),
            (Machine.readCD(0, count: 1, 0xF8), true),
        ] {
            for isSRST in [false, true] {
                try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) {
                    m in
                    let hold = m.faults.add(.init(.hold, operations: [.read]))
                    m.setTable([(Machine.data, 4096)])
                    m.givePacket(packet, isDMA: isDMA)
                    if isDMA { m.start(toMemory: true) }
                    if isSRST {
                        m.control(4)
                        m.control(0)
                    } else {
                        m.outb(0x1F7, 0x08)
                    }
                    XCTAssertEqual([m.alternateStatus, m.bmStatus & 1], [0x80, 0])
                    XCTAssertTrue(m.controller.isBusy)
                    m.faults.remove(hold)
                    m.faults.release()
                    m.settle()
                    expectSignature(m)
                    m.stop()
                    XCTAssertEqual(m.dataIn(Machine.read10(1, count: 1)), Self.content(block: 1))
                }
            }
        }
    }

    func testIdentifyPacketDevice() throws {
        try forEachCD(
            CDROMOptions(serial: "S1", firmware: "F2"), over: MachineConfiguration.engines
        ) { m in
            m.outb(0x1F6, 0xA0)
            m.outb(0x1F7, 0xA1)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.status, 0x58)
            let bytes = m.readData(count: 512)
            XCTAssertEqual(m.alternateStatus, 0x50)
            XCTAssertFalse(m.irq)
            let words = (0..<256).map { UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8 }
            XCTAssertEqual(words[0], 0x85C0)
            XCTAssertEqual(text(words[10..<20]), "S1".padded(20))
            XCTAssertEqual(text(words[23..<27]), "F2".padded(8))
            XCTAssertEqual(text(words[27..<47]), "BLOCKIO SWIFT DVD-ROM".padded(40))
            XCTAssertEqual(words[49] & 0x0300, 0x0300)
            XCTAssertEqual(words[82] & words[85], 0x4218)
            XCTAssertEqual([words[63], words[88]], [0x0007, 0x203F])
            XCTAssertEqual(bytes.reduce(0, &+), 0)
        }
    }

    private func text(_ words: ArraySlice<UInt16>) -> String {
        String(
            decoding: words.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] },
            as: UTF8.self)
    }

    func testTransferModesAndPower() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.command28(0xEF, count: 0x22, features: 3)
            XCTAssertEqual(m.status, 0x50)
            m.outb(0x1F7, 0xA1)
            let bytes = m.readData(count: 512)
            XCTAssertEqual(Array(bytes[126..<128]) + Array(bytes[176..<178]), [7, 4, 0x3F, 0])
            for (features, count) in [(3, 0x46), (3, 0x23), (2, 0), (0xAA, 0)] {
                m.command28(0xEF, count: UInt8(count), features: UInt8(features))
                XCTAssertEqual([m.error, m.status], [4, 0x41])
            }
            for (opcode, expected) in [(0xE0, 0), (0xE1, 0xFF), (0x96, 0), (0xE3, 0xFF)] {
                m.command28(UInt8(opcode))
                XCTAssertEqual(m.status, 0x50)
                m.command28(0xE5)
                XCTAssertEqual(m.count, UInt8(expected))
            }
            m.command28(0xE2)
            _ = m.dataIn(Machine.read10(0, count: 1))
            m.command28(0xE5)
            XCTAssertEqual(m.count, 0xFF)
        }
    }

    func testBesideADisk() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            try m.attachCD(Self.target(.tmpfsFile, 1).path, to: .primarySlave)
            m.outb(0x1F6, 0xB0)
            expectSignature(m)
            m.outb(0x1F6, 0xA0)
            m.transfer(0xC8, lba: 3, count: 4, [(Machine.data, 2048)])
            XCTAssertEqual(
                m.bytes(at: Machine.data, count: 2048), Self.content(sector: 3, count: 4))
            m.outb(0x1F6, 0xB0)
            XCTAssertEqual(m.alternateStatus, 0)
            m.outb(0x1F7, 0xA1)
            XCTAssertEqual(m.status, 0x58)
            XCTAssertEqual(m.readData(count: 512)[1], 0x85)
            // DEVICE RESET is the drive's own affair.
            m.outb(0x1F7, 0x08)
            expectSignature(m)
            m.outb(0x1F6, 0xA0)
            XCTAssertEqual(m.alternateStatus, 0x50)
        }
    }
}

extension String {
    fileprivate func padded(_ count: Int) -> String {
        self + String(repeating: " ", count: count - utf8.count)
    }
}
