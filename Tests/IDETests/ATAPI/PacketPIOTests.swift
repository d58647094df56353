import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": data through the data port.
final class PacketPIOTests: CDTestCase {
    func testBurstsFollowTheLimit() throws {
        try forEachCD { machine in
            for (limit, count) in [(2048, 3), (0xF800, 33), (4096, 5), (254, 1)] {
                machine.packet(TestMachine.read10(9, count: UInt16(count)), limit: UInt16(limit))
                let (data, sizes) = machine.takeBursts()
                machine.expectSuccess()
                XCTAssertEqual(data, Self.content(block: 9, count: count), "limit \(limit)")
                let (full, rest) = (count * 2048).quotientAndRemainder(dividingBy: limit)
                let bursts = [Int](repeating: limit, count: full) + (rest > 0 ? [rest] : [])
                XCTAssertEqual(sizes, bursts, "limit \(limit)")
                machine.sample("limit \(limit)", data)
            }
        }
    }

    func testFFFFActsAsFFFE() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packet(TestMachine.read10(0, count: 33), limit: 0xFFFF)
            let (data, sizes) = machine.takeBursts()
            XCTAssertEqual(sizes, [0xFFFE, 33 * 2048 - 0xFFFE])
            XCTAssertEqual(data, Self.content(block: 0, count: 33))
            machine.expectSuccess()
        }
    }

    func testAnOddLimitRoundsDownWhileMoreFollows() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packet(TestMachine.read10(3, count: 1), limit: 1001)
            let (data, sizes) = machine.takeBursts()
            XCTAssertEqual(sizes, [1000, 1000, 48])
            XCTAssertEqual(data, Self.content(block: 3))
            machine.expectSuccess()
            // The last burst may be odd, and as large as the limit.
            machine.packet([PacketOpcode.inquiry, 0, 0, 0, 7], limit: 7)
            XCTAssertEqual(machine.takeBursts().sizes, [7])
            machine.expectSuccess()
            machine.packet([PacketOpcode.inquiry, 0, 0, 0, 9], limit: 7)
            XCTAssertEqual(machine.takeBursts().sizes, [6, 3])
            machine.expectSuccess()
        }
    }

    func testAnOddAnswerIsPaddedToAWordAndEnds() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packet([PacketOpcode.inquiry, 0, 0, 0, 5])
            XCTAssertEqual(
                [machine.alternateStatus, machine.reason],
                [DriveStatus.wantsData, ReasonRegister.dataIn])
            XCTAssertEqual(machine.byteCount, 5)
            XCTAssertEqual(machine.readData(count: 4).count, 4)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            _ = machine.readData(count: 2)
            machine.expectSuccess()
            XCTAssertEqual(machine.readData(count: 2), [0, 0])
        }
    }

    func testALimitOf0WithDataAborts() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            for packet in [
                [PacketOpcode.inquiry, 0, 0, 0, 36], TestMachine.read10(0, count: 1),
                [PacketOpcode.readCapacity],
                [PacketOpcode.requestSense, 0, 0, 0, 18],
            ] {
                machine.packet(packet, limit: 0)
                machine.expectAbort()
            }
            // 1 rounds down to nothing while more follows, and is enough for a single byte.
            machine.packet(TestMachine.read10(0, count: 1), limit: 1)
            machine.expectAbort()
            machine.packet([PacketOpcode.inquiry, 0, 0, 0, 1], limit: 1)
            XCTAssertEqual(machine.takeBursts().data, [0x05])
            machine.expectSuccess()
            // Without data the limit does not matter.
            machine.packet([PacketOpcode.testUnitReady], limit: 0)
            machine.expectSuccess()
            machine.packet([PacketOpcode.inquiry, 0, 0, 0, 0], limit: 0)
            machine.expectSuccess()
        }
    }

    func testReading0BlocksSucceedsWithAnyLimit() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            for limit in [0, 1, 2048, 0xFFFF] as [UInt16] {
                for packet in [
                    TestMachine.read10(0, count: 0), TestMachine.read10(.max, count: 0),
                    [PacketOpcode.read12],
                    TestMachine.readCD(7, count: 0, ReadCDFields.userData),
                    TestMachine.readCD(7, count: 1, 0x00),
                    TestMachine.readCD(.max, count: 0, 0x00),
                    [PacketOpcode.readCDMSF, 0, 0, 0, 2, 0, 0, 2, 0, ReadCDFields.all],
                ] {
                    machine.packet(packet, limit: limit)
                    machine.expectSuccess()
                }
            }
        }
    }

    func testNothingOutsideTheDiscIsRead() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            let end = UInt32(Self.blockCount)
            XCTAssertEqual(
                machine.dataIn(TestMachine.read10(end - 1, count: 1)),
                Self.content(block: Int(end) - 1))
            for packet in [
                TestMachine.read10(end, count: 1), TestMachine.read10(end - 1, count: 2),
                TestMachine.read10(.max, count: .max),
                [PacketOpcode.read12, 0] + TestMachine.bytes(.max) + TestMachine.bytes(.max),
                [PacketOpcode.read12, 0] + TestMachine.bytes(1) + TestMachine.bytes(.max),
                TestMachine.readCD(end, count: 1, ReadCDFields.all),
                TestMachine.readCD(.max, count: 0xFF_FFFF, ReadCDFields.userData),
                [PacketOpcode.seek10, 0] + TestMachine.bytes(end),
                [PacketOpcode.seek10, 0] + TestMachine.bytes(.max),
            ] {
                machine.packet(packet)
                machine.expectFailure(.addressOutOfRange)
            }
            machine.packet([PacketOpcode.seek10, 0] + TestMachine.bytes(end - 1))
            machine.expectSuccess()
        }
    }

    func testRead12ReadsAsRead10() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            XCTAssertEqual(
                machine.dataIn(
                    [PacketOpcode.read12, 0] + TestMachine.bytes(100) + TestMachine.bytes(40),
                    limit: 0x8000),
                Self.content(block: 100, count: 40))
        }
    }

    func testUnknownPacketsAreInvalidOperations() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            for opcode in [
                PacketOpcode.formatUnit, PacketOpcode.write10, PacketOpcode.write6,
                PacketOpcode.unknown, PacketOpcode.synchronizeCache, PacketOpcode.blank,
            ] {
                machine.packet([opcode])
                machine.expectFailure(.invalidOperation)
            }
        }
    }

    func testWideAndNarrowAccesses() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packet(TestMachine.read10(2, count: 1))
            let expected = Self.content(block: 2)
            // A byte consumes a word, a double word two.
            XCTAssertEqual(machine.controller.readPort(IDEPort.data, width: 1), UInt32(expected[0]))
            let long = machine.controller.readPort(IDEPort.data, width: 4)
            XCTAssertEqual(
                (0..<4).map { UInt8(truncatingIfNeeded: long >> (8 * $0)) }, Array(expected[2..<6]))
            var rest = [UInt8](repeating: 0, count: 2042)
            rest.withUnsafeMutableBytes {
                machine.controller.transferBlock(from: IDEPort.data, width: 2, into: $0)
            }
            XCTAssertEqual(rest, Array(expected[6...]))
            machine.expectSuccess()
        }
    }

    func testOverlappedPacketsAreRefused() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.outb(IDEPort.device, DeviceSelect.master)
            machine.outb(IDEPort.features, PacketFeature.overlapped)
            machine.outb(IDEPort.command, Opcode.packet)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(
                [machine.error, machine.status], [DriveError.aborted, DriveStatus.failed])
        }
    }
}
