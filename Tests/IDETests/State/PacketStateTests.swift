import BlockATA
import BlockDMA
import BlockIO
import IDE
import XCTest

/// docs/ide-rules.md, "State": a CD/DVD-ROM drive.
final class PacketStateTests: CDTestCase {
    private let engines = MachineConfiguration.engines

    func testSettings() throws {
        try forEachCD(over: engines) { m in
            m.command28(0xEF, count: 0x22, features: 3)
            m.packet([0x55, 0x10, 0, 0, 0, 0, 0, 0, 16])
            m.writeData([0, 0, 0, 0, 0, 0, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0])
            _ = m.dataIn(Machine.read10(6, count: 1))
            m.packet([0x1E, 0, 0, 0, 1])
            m.command28(0xE0)
            try move(m)
            m.command28(0xE5)
            XCTAssertEqual(m.count, 0, "standby")
            XCTAssertEqual(
                m.dataIn([0x1A, 0, 0x01, 0, 255]), [11, 1, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0])
            XCTAssertEqual(m.dataIn([0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 5]), [0, 0, 0, 0, 6])
            m.packet([0x1B, 0, 0, 0, 2])
            m.expectFailure(2, 0x5302)
            m.outb(0x1F7, 0xA1)
            XCTAssertEqual(Array(m.readData(count: 512)[126..<128]), [7, 4])
        }
    }

    func testTrayAndSense() throws {
        let other = try TemporaryImage(size: 300 * 2048)
        try forEachCD(over: engines) { m in
            m.packet(Machine.read10(.max, count: 1))
            try move(m)
            m.expectFailure(5, 0x2100)
            m.packet([0x1B, 0, 0, 0, 2])
            try move(m)
            m.expectSuccess()
            m.packet([0x00])
            m.expectFailure(2, 0x3A00)
            try m.controller.changeMedium(.primaryMaster, to: m.openCD(other.path))
            try move(m)
            XCTAssertEqual(m.testUnitReady(), 0x20)
            try move(m)
            XCTAssertEqual(m.testUnitReady(), 0x60)
            try move(m)
            XCTAssertNil(m.testUnitReady())
            XCTAssertEqual(
                m.dataIn([0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8]), [0, 4, 4, 0x10, 2, 2, 0, 0])
        }
    }

    func testInTheMiddleOfPacketAndData() throws {
        try forEachCD(over: engines) { m in
            let packet = Machine.read10(7, count: 2)
            m.outb(0x1F6, 0xA0)
            m.outb(0x1F1, 0)
            m.outb(0x1F4, 0xE8)
            m.outb(0x1F5, 0x03)
            m.outb(0x1F7, 0xA0)
            m.writeData(Array(packet[..<6]))
            try move(m)
            XCTAssertEqual([m.alternateStatus, m.reason], [0x58, 1])
            m.writeData(Array(packet[6...]) + [0, 0, 0])
            m.settle()
            XCTAssertEqual(m.byteCount, 1000)
            var data = m.readData(count: 400)
            try move(m)
            XCTAssertEqual([m.alternateStatus, m.reason], [0x58, 2])
            data += m.readData(count: 600)
            m.settle()
            try move(m)
            data += m.takeBursts().data
            m.expectSuccess()
            XCTAssertEqual(data, Self.content(block: 7, count: 2))
            m.packet([0x12, 0, 0, 0, 36])
            data = m.readData(count: 4)
            try move(m)
            data += m.readData(count: 32)
            m.expectSuccess()
            XCTAssertEqual(Array(data[..<5]), [5, 0x80, 0, 0x21, 31])
        }
    }

    func testArmedAndInFlight() throws {
        try forEachCD(over: engines) { m in
            for (packet, size) in [
                (Machine.read10(7, count: 2), 4096), (Machine.readCD(7, count: 2, 0xF8), 4704),
            ] {
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                m.setTable([(Machine.data, size)])
                m.packet(packet, isDMA: true)
                try move(m)
                XCTAssertEqual([m.alternateStatus, m.reason], [0x58, 2])
                m.start(toMemory: true)
                try move(m)
                XCTAssertEqual(m.bmStatus, 4)
                m.expectSuccess()
                let bytes = m.bytes(at: Machine.data, count: size)
                XCTAssertEqual(
                    Array(bytes[(size == 4704 ? 16 : 0)...].prefix(2048)), Self.content(block: 7))
            }
        }
    }

    func testKeptByPolicy() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: engines) { m in
            for isDMA in [false, true] {
                m.faults.add(.init(.error(EIO), operations: [.read], count: 1))
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                m.setTable([(Machine.data, 4096)])
                m.packet(Machine.read10(9, count: 2), isDMA: isDMA)
                if isDMA { m.start(toMemory: true) }
                m.settle()
                XCTAssertEqual(m.alternateStatus, 0xD0)
                try move(m)
                XCTAssertFalse(m.irq)
                m.controller.resume()
                m.settle()
                let data = isDMA ? m.bytes(at: Machine.data, count: 4096) : m.takeBursts().data
                m.expectSuccess()
                XCTAssertEqual(data, Self.content(block: 9, count: 2))
            }
        }
    }
}
