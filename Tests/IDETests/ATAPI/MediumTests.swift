import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": tray, lock, and media that come and go.
final class MediumTests: CDTestCase {
    private let slot = IDESlot.primaryMaster
    private let removed = SenseKeyCode(2, 0x3A00)
    private let inserted = SenseKeyCode(6, 0x2800)

    /// Another disc: 300 blocks of zeroes.
    private func otherDisc() throws -> TemporaryImage { try TemporaryImage(size: 300 * 2048) }

    private func events(_ m: Machine, line: UInt = #line) -> [UInt8] {
        let answer = m.dataIn([0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8], line: line)
        XCTAssertEqual(Array(answer.prefix(4)), [0, 4, 4, 0x10], line: line)
        return Array(answer.dropFirst(4).prefix(2))
    }

    func testNothingIsToldAtPowerOn() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            XCTAssertEqual(events(m), [0, 2])
            XCTAssertNil(m.testUnitReady())
            XCTAssertEqual(m.takeSense(), SenseKeyCode(0, 0))
            m.controller.reset()
            m.enable()
            XCTAssertNil(m.testUnitReady())
        }
    }

    func testAChangeIsToldInTwoSteps() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { m in
            try m.controller.changeMedium(slot, to: m.openCD(other.path))
            // Neither of these fails or consumes it.
            XCTAssertEqual(m.dataIn([0x12, 0, 0, 0, 36]).count, 36)
            XCTAssertEqual(m.takeSense(), SenseKeyCode(0, 0))
            XCTAssertEqual(m.dataIn([0x46, 0, 0, 0, 0, 0, 0, 0, 8]).count, 8)
            XCTAssertEqual(events(m), [2, 2])
            XCTAssertEqual(events(m), [0, 2])
            m.packet([0x00])
            m.expectFailure(removed.key, removed.code)
            XCTAssertEqual(m.takeSense(), SenseKeyCode(0, 0))
            m.packet(Machine.read10(0, count: 1))
            m.expectFailure(inserted.key, inserted.code)
            XCTAssertEqual(m.takeSense(), SenseKeyCode(0, 0))
            XCTAssertNil(m.testUnitReady())
            XCTAssertEqual(m.dataIn([0x25]), Machine.bytes(299) + Machine.bytes(2048))
            XCTAssertEqual(
                m.dataIn(Machine.read10(299, count: 1)), [UInt8](repeating: 0, count: 2048))
        }
    }

    func testAChangeIsToldWithoutRequestSense() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { m in
            try m.controller.changeMedium(slot, to: m.openCD(other.path))
            XCTAssertEqual(m.testUnitReady(), 0x20)
            XCTAssertEqual(m.testUnitReady(), 0x60)
            XCTAssertNil(m.testUnitReady())
        }
    }

    func testAnEmptyDrive() throws {
        let m = try emptyMachine()
        for packet in [
            [0x00], [0x25], Machine.read10(0, count: 1), Machine.readCD(0, count: 1, 0xF8),
            [0x43, 0, 0, 0, 0, 0, 0, 0, 255], [0x51, 0, 0, 0, 0, 0, 0, 0, 255],
            [0x52, 1, 0, 0, 0, 1, 0, 0, 255], [0xAD, 0, 0, 0, 0, 0, 0, 0, 0, 255],
            [0x42, 0, 0x40, 1, 0, 0, 0, 0, 255], [0x2B],
        ] {
            m.packet(packet)
            m.expectFailure(removed.key, removed.code)
        }
        XCTAssertEqual(events(m), [0, 0])
        XCTAssertEqual(m.dataIn([0x12, 0, 0, 0, 36]).count, 36)
        XCTAssertEqual(Array(m.dataIn([0x46, 0, 0, 0, 0, 0, 0, 0, 8])[6...]), [0, 0])
        m.packet([0x1E, 0, 0, 0, 1])
        m.expectSuccess()
        m.packet([0x1B, 0, 0, 0, 2])
        m.expectFailure(2, 0x5302)
        XCTAssertThrowsError(try m.controller.eject(slot))
        m.packet([0x1E])
        m.expectSuccess()
        // A disc at last.
        let other = try otherDisc()
        try m.controller.changeMedium(slot, to: m.openCD(other.path))
        XCTAssertEqual(events(m), [2, 2])
        XCTAssertEqual(
            [m.testUnitReady(), m.testUnitReady(), m.testUnitReady()], [0x20, 0x60, nil])
    }

    func testTheGuestOpensAndClosesTheTray() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packet([0x1B, 0, 0, 0, 2])
            m.expectSuccess()
            m.packet([0x00])
            m.expectFailure(removed.key, removed.code)
            XCTAssertEqual(events(m), [3, 1])
            XCTAssertEqual(events(m), [0, 1])
            XCTAssertEqual(Array(m.dataIn([0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8])[..<2]), [0, 0x10])
            XCTAssertEqual(m.dataIn([0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 8])[2], 0x71)
            m.packet([0x1B, 0, 0, 0, 3])
            m.expectSuccess()
            // It is the same disc, but the drive cannot know that.
            XCTAssertEqual(events(m), [2, 2])
            XCTAssertEqual(events(m), [0, 2])
            m.packet([0x00])
            m.expectFailure(inserted.key, inserted.code)
            XCTAssertNil(m.testUnitReady())
            XCTAssertEqual(m.dataIn(Machine.read10(1, count: 1)), Self.content(block: 1))
            XCTAssertEqual(Array(m.dataIn([0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8])[..<2]), [0, 0])
            // Start and stop without the tray, and a power condition.
            for byte in [0, 1, 0x32] as [UInt8] {
                m.packet([0x1B, 0, 0, 0, byte])
                m.expectSuccess()
                XCTAssertNil(m.testUnitReady())
            }
        }
    }

    /// Eject and load, one right after the other, by a guest that does not poll.
    func testATrayThatWasMovedIsToldOnce() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            for byte in [2, 2, 3, 3] as [UInt8] {
                m.packet([0x1B, 0, 0, 0, byte])
                if byte == 3 && m.alternateStatus == 0x41 {
                    // START STOP UNIT is told as well: the second load of a closed tray.
                    m.expectFailure(inserted.key, inserted.code)
                } else {
                    m.expectSuccess()
                }
            }
            XCTAssertNil(m.testUnitReady())
            XCTAssertEqual(events(m), [2, 2])
            // To close what is closed, and to open what is open, is nothing new.
            m.packet([0x1B, 0, 0, 0, 3])
            m.expectSuccess()
            XCTAssertEqual(events(m), [0, 2])
            m.packet([0x1B, 0, 0, 0, 2])
            m.expectSuccess()
            XCTAssertEqual(events(m), [3, 1])
            m.packet([0x1B, 0, 0, 0, 2])
            m.expectSuccess()
            XCTAssertEqual(events(m), [0, 1])
        }
    }

    func testAnEmptyTrayHasNothingToTell() throws {
        let m = try emptyMachine()
        m.packet([0x1E, 0, 0, 0, 1])
        m.expectSuccess()
        XCTAssertThrowsError(try m.controller.eject(slot))
        m.packet([0x1E])
        m.expectSuccess()
        // The guest does what the user wanted, who then need not be told of any more.
        m.packet([0x1B, 0, 0, 0, 2])
        m.expectSuccess()
        XCTAssertEqual(events(m), [0, 1])
        m.packet([0x00])
        m.expectFailure(removed.key, removed.code)
        m.packet([0x1B, 0, 0, 0, 3])
        m.expectSuccess()
        XCTAssertEqual(events(m), [0, 0])
        m.packet([0x00])
        m.expectFailure(removed.key, removed.code)
    }

    func testAPreventedMediumStays() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { m in
            let image = try m.openCD(other.path)
            m.packet([0x1E, 0, 0, 0, 1])
            m.expectSuccess()
            m.packet([0x1B, 0, 0, 0, 2])
            m.expectFailure(2, 0x5302)
            XCTAssertEqual(events(m), [0, 2])
            XCTAssertThrowsError(try m.controller.eject(slot)) {
                XCTAssertEqual($0 as? IDEError, .mediumLocked(slot))
            }
            // The guest hears of it, once.
            XCTAssertEqual(events(m), [1, 2])
            XCTAssertEqual(events(m), [0, 2])
            XCTAssertThrowsError(try m.controller.changeMedium(slot, to: image))
            XCTAssertEqual(m.dataIn(Machine.read10(2, count: 1)), Self.content(block: 2))
            XCTAssertEqual(m.dataIn([0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 255])[14] & 2, 2)
            m.packet([0x1E])
            m.expectSuccess()
            XCTAssertEqual(m.dataIn([0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 255])[14] & 2, 0)
            try m.controller.eject(slot)
            XCTAssertNil(m.controller.medium(in: slot))
            m.packet([0x00])
            m.expectFailure(removed.key, removed.code)
        }
    }

    func testPreventionEndsWithResets() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            for reset in 0..<3 {
                m.packet([0x1E, 0, 0, 0, 1])
                m.expectSuccess()
                XCTAssertThrowsError(try m.controller.changeMedium(slot, to: nil))
                switch reset {
                case 0:
                    m.control(4)
                    m.control(0)
                case 1: m.outb(0x1F7, 0x08)
                default:
                    m.controller.reset()
                    m.enable()
                }
                m.packet([0x1B, 0, 0, 0, 2])
                m.expectSuccess()
                m.packet([0x1B, 0, 0, 0, 3])
                m.expectSuccess()
                XCTAssertEqual([m.testUnitReady(), m.testUnitReady()], [0x60, nil])
            }
            XCTAssertNoThrow(try m.controller.changeMedium(slot, to: nil))
        }
    }

    func testAResetForgetsNoChange() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { m in
            try m.controller.changeMedium(slot, to: m.openCD(other.path))
            m.control(4)
            m.control(0)
            XCTAssertEqual(
                [m.testUnitReady(), m.testUnitReady(), m.testUnitReady()], [0x20, 0x60, nil])
        }
    }

    func testEjectingOpensTheTrayAndChangingClosesIt() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { m in
            try m.controller.eject(slot)
            XCTAssertEqual(events(m), [3, 1])
            XCTAssertEqual(events(m), [0, 1])
            m.packet([0x00])
            m.expectFailure(removed.key, removed.code)
            try m.controller.changeMedium(slot, to: m.openCD(other.path))
            XCTAssertEqual(events(m), [2, 2])
            XCTAssertEqual(
                [m.testUnitReady(), m.testUnitReady(), m.testUnitReady()], [0x20, 0x60, nil])
            try m.controller.changeMedium(slot, to: nil)
            XCTAssertEqual(events(m), [3, 0])
            XCTAssertEqual([m.testUnitReady(), m.testUnitReady()], [0x20, 0x20])
        }
    }

    func testTheMediumGoesWhileItIsRead() throws {
        let other = try otherDisc()
        for (packet, isDMA) in [
            (Machine.read10(0, count: 8), true), (Machine.read10(0, count: 8), false),
            (Machine.readCD(0, count: 8, 0xF8), true),
        ] {
            try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) { m in
                let descriptors = m.controller.descriptors
                let hold = m.faults.add(.init(.hold, operations: [.read]))
                m.setTable([(Machine.data, 0x8000)])
                m.givePacket(packet, isDMA: isDMA)
                if isDMA { m.start(toMemory: true) }
                XCTAssertEqual(m.alternateStatus, 0xD0)
                // Nobody waits for the host, twice over.
                try m.controller.eject(slot)
                try m.controller.changeMedium(slot, to: m.openCD(other.path))
                XCTAssertEqual(m.controller.medium(in: slot)?.path, other.path)
                XCTAssertEqual(m.alternateStatus, 0xD0)
                m.faults.remove(hold)
                m.faults.release()
                m.settle()
                XCTAssertEqual(m.controller.descriptors, descriptors)
                m.expectFailure(removed.key, removed.code)
                XCTAssertEqual(
                    [m.testUnitReady(), m.testUnitReady(), m.testUnitReady()], [0x20, 0x60, nil])
                m.stop()
                XCTAssertEqual(m.dataIn([0x25]), Machine.bytes(299) + Machine.bytes(2048))
                XCTAssertEqual(
                    m.dataIn(Machine.read10(0, count: 1)), [UInt8](repeating: 0, count: 2048))
            }
        }
    }

    func testTheMediumGoesBetweenBursts() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packet(Machine.read10(0, count: 8), limit: 4096)
            try m.controller.changeMedium(slot, to: m.openCD(other.path))
            // What is offered already can still be had.
            XCTAssertEqual(m.readData(count: 4096), Self.content(block: 0, count: 2))
            m.settle()
            m.expectFailure(removed.key, removed.code)
            // And one that waits for the bus master.
            try m.controller.changeMedium(
                slot, to: m.openCD(Self.target(MachineConfiguration.one.target).path))
            while m.testUnitReady() != nil {}
            m.setTable([(Machine.data, 2048)])
            m.packet(Machine.read10(0, count: 1), isDMA: true)
            try m.controller.eject(slot)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.bmStatus & 3, 0)
            m.expectFailure(removed.key, removed.code)
        }
    }

    func testWhatIsNoDiscOrNoDrive() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            let small = try TemporaryImage(size: 1536)
            XCTAssertThrowsError(try m.controller.changeMedium(slot, to: m.openCD(small.path)))
            XCTAssertNil(m.testUnitReady())
            XCTAssertThrowsError(try m.controller.eject(.primarySlave)) {
                XCTAssertEqual($0 as? IDEError, .notRemovable(.primarySlave))
            }
            XCTAssertThrowsError(try m.attachCD(nil)) {
                XCTAssertEqual($0 as? IDEError, .slotTaken(.primaryMaster))
            }
        }
    }

    func testEventsThatDoNotFitAreKept() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { m in
            try m.controller.changeMedium(slot, to: m.openCD(other.path))
            XCTAssertEqual(m.dataIn([0x4A, 1, 0, 0, 0x10, 0, 0, 0, 4]), [0, 4, 4, 0x10])
            XCTAssertEqual(m.dataIn([0x4A, 1, 0, 0, 0x02, 0, 0, 0, 8]), [0, 0, 0x80, 0x10])
            XCTAssertEqual(events(m), [2, 2])
            // Only polling.
            m.packet([0x4A, 0, 0, 0, 0x10, 0, 0, 0, 8])
            m.expectFailure(5, 0x2400)
        }
    }
}
