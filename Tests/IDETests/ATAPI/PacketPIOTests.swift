import IDE
import XCTest

/// docs/ide-rules.md, "ATAPI": data through the data port.
final class PacketPIOTests: CDTestCase {
    func testBurstsFollowTheLimit() throws {
        try forEachCD { m in
            for (limit, count) in [(2048, 3), (0xF800, 33), (4096, 5), (254, 1)] {
                m.packet(Machine.read10(9, count: UInt16(count)), limit: UInt16(limit))
                let (data, sizes) = m.takeBursts()
                m.expectSuccess()
                XCTAssertEqual(data, Self.content(block: 9, count: count), "limit \(limit)")
                let (full, rest) = (count * 2048).quotientAndRemainder(dividingBy: limit)
                let bursts = [Int](repeating: limit, count: full) + (rest > 0 ? [rest] : [])
                XCTAssertEqual(sizes, bursts, "limit \(limit)")
                m.sample("limit \(limit)", data)
            }
        }
    }

    func testFFFFActsAsFFFE() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packet(Machine.read10(0, count: 33), limit: 0xFFFF)
            let (data, sizes) = m.takeBursts()
            XCTAssertEqual(sizes, [0xFFFE, 33 * 2048 - 0xFFFE])
            XCTAssertEqual(data, Self.content(block: 0, count: 33))
            m.expectSuccess()
        }
    }

    func testAnOddLimitRoundsDownWhileMoreFollows() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packet(Machine.read10(3, count: 1), limit: 1001)
            let (data, sizes) = m.takeBursts()
            XCTAssertEqual(sizes, [1000, 1000, 48])
            XCTAssertEqual(data, Self.content(block: 3))
            m.expectSuccess()
            // The last burst may be odd, and as large as the limit.
            m.packet([0x12, 0, 0, 0, 7], limit: 7)
            XCTAssertEqual(m.takeBursts().sizes, [7])
            m.expectSuccess()
            m.packet([0x12, 0, 0, 0, 9], limit: 7)
            XCTAssertEqual(m.takeBursts().sizes, [6, 3])
            m.expectSuccess()
        }
    }

    func testAnOddAnswerIsPaddedToAWordAndEnds() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packet([0x12, 0, 0, 0, 5])
            XCTAssertEqual([m.alternateStatus, m.reason], [0x58, 2])
            XCTAssertEqual(m.byteCount, 5)
            XCTAssertEqual(m.readData(count: 4).count, 4)
            XCTAssertEqual(m.alternateStatus, 0x58)
            _ = m.readData(count: 2)
            m.expectSuccess()
            XCTAssertEqual(m.readData(count: 2), [0, 0])
        }
    }

    func testALimitOf0WithDataAborts() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            for packet in [
                [0x12, 0, 0, 0, 36], Machine.read10(0, count: 1), [0x25], [0x03, 0, 0, 0, 18],
            ] {
                m.packet(packet, limit: 0)
                m.expectAbort()
            }
            // 1 rounds down to nothing while more follows, and is enough for a single byte.
            m.packet(Machine.read10(0, count: 1), limit: 1)
            m.expectAbort()
            m.packet([0x12, 0, 0, 0, 1], limit: 1)
            XCTAssertEqual(m.takeBursts().data, [0x05])
            m.expectSuccess()
            // Without data the limit does not matter.
            m.packet([0x00], limit: 0)
            m.expectSuccess()
            m.packet([0x12, 0, 0, 0, 0], limit: 0)
            m.expectSuccess()
        }
    }

    func testReading0BlocksSucceedsWithAnyLimit() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            for limit in [0, 1, 2048, 0xFFFF] as [UInt16] {
                for packet in [
                    Machine.read10(0, count: 0), Machine.read10(.max, count: 0), [0xA8],
                    Machine.readCD(7, count: 0, 0x10), Machine.readCD(7, count: 1, 0x00),
                    [0xB9, 0, 0, 0, 2, 0, 0, 2, 0, 0xF8],
                ] {
                    m.packet(packet, limit: limit)
                    m.expectSuccess()
                }
            }
        }
    }

    func testNothingOutsideTheDiscIsRead() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            let end = UInt32(Self.blockCount)
            XCTAssertEqual(
                m.dataIn(Machine.read10(end - 1, count: 1)), Self.content(block: Int(end) - 1))
            for packet in [
                Machine.read10(end, count: 1), Machine.read10(end - 1, count: 2),
                Machine.read10(.max, count: .max),
                [0xA8, 0] + Machine.bytes(.max) + Machine.bytes(.max),
                [0xA8, 0] + Machine.bytes(1) + Machine.bytes(.max),
                Machine.readCD(end, count: 1, 0xF8),
                Machine.readCD(.max, count: 0xFF_FFFF, 0x10), [0x2B, 0] + Machine.bytes(end),
                [0x2B, 0] + Machine.bytes(.max),
            ] {
                m.packet(packet)
                m.expectFailure(5, 0x2100)
            }
            m.packet([0x2B, 0] + Machine.bytes(end - 1))
            m.expectSuccess()
        }
    }

    func testRead12ReadsAsRead10() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            XCTAssertEqual(
                m.dataIn([0xA8, 0] + Machine.bytes(100) + Machine.bytes(40), limit: 0x8000),
                Self.content(block: 100, count: 40))
        }
    }

    func testUnknownPacketsAreInvalidOperations() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            for opcode in [0x04, 0x2A, 0x0A, 0xFF, 0x35, 0xA1] as [UInt8] {
                m.packet([opcode])
                m.expectFailure(5, 0x2000)
            }
        }
    }

    func testWideAndNarrowAccesses() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packet(Machine.read10(2, count: 1))
            let expected = Self.content(block: 2)
            // A byte consumes a word, a double word two.
            XCTAssertEqual(m.controller.readPort(0x1F0, width: 1), UInt32(expected[0]))
            let long = m.controller.readPort(0x1F0, width: 4)
            XCTAssertEqual(
                (0..<4).map { UInt8(truncatingIfNeeded: long >> (8 * $0)) }, Array(expected[2..<6]))
            var rest = [UInt8](repeating: 0, count: 2042)
            rest.withUnsafeMutableBytes {
                m.controller.transferBlock(from: 0x1F0, width: 2, into: $0)
            }
            XCTAssertEqual(rest, Array(expected[6...]))
            m.expectSuccess()
        }
    }

    func testOverlappedPacketsAreRefused() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.outb(0x1F6, 0xA0)
            m.outb(0x1F1, 2)
            m.outb(0x1F7, 0xA0)
            XCTAssertTrue(m.irq)
            XCTAssertEqual([m.error, m.status], [4, 0x41])
        }
    }
}
