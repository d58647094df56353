import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": tray, lock, and media that come and go.
final class MediumTests: CDTestCase {
    private let slot = IDESlot.primaryMaster
    private let removed = SenseKeyCode.mediumNotPresent
    private let inserted = SenseKeyCode.mediumMayHaveChanged

    /// Another disc: 300 blocks of zeroes.
    private func otherDisc() throws -> TemporaryImage { try TemporaryImage(size: 300 * 2048) }

    private func events(_ machine: TestMachine, line: UInt = #line) -> [UInt8] {
        let answer = machine.dataIn(
            [
                PacketOpcode.getEventStatusNotification, PacketBits.polled, 0, 0, EventClass.media,
                0, 0, 0, 8,
            ], line: line)
        XCTAssertEqual(Array(answer.prefix(4)), [0, 4, 4, 0x10], line: line)
        return Array(answer.dropFirst(4).prefix(2))
    }

    func testNothingIsToldAtPowerOn() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.present])
            XCTAssertNil(machine.testUnitReady())
            XCTAssertEqual(machine.takeSense(), SenseKeyCode.none)
            machine.controller.reset()
            machine.enable()
            XCTAssertNil(machine.testUnitReady())
        }
    }

    func testAChangeIsToldInTwoSteps() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { machine in
            try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
            // Neither of these fails or consumes it.
            XCTAssertEqual(machine.dataIn([PacketOpcode.inquiry, 0, 0, 0, 36]).count, 36)
            XCTAssertEqual(machine.takeSense(), SenseKeyCode.none)
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.getConfiguration, 0, 0, 0, 0, 0, 0, 0, 8]).count, 8)
            XCTAssertEqual(events(machine), [MediumEvent.newMedium, MediumStatus.present])
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.present])
            machine.packet([PacketOpcode.testUnitReady])
            machine.expectFailure(removed)
            XCTAssertEqual(machine.takeSense(), SenseKeyCode.none)
            machine.packet(TestMachine.read10(0, count: 1))
            machine.expectFailure(inserted)
            XCTAssertEqual(machine.takeSense(), SenseKeyCode.none)
            XCTAssertNil(machine.testUnitReady())
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.readCapacity]),
                TestMachine.bytes(299) + TestMachine.bytes(2048))
            XCTAssertEqual(
                machine.dataIn(TestMachine.read10(299, count: 1)),
                [UInt8](repeating: 0, count: 2048))
        }
    }

    func testAChangeIsToldWithoutRequestSense() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { machine in
            try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
            XCTAssertEqual(machine.testUnitReady(), PacketError.notReady)
            XCTAssertEqual(machine.testUnitReady(), PacketError.unitAttention)
            XCTAssertNil(machine.testUnitReady())
        }
    }

    func testAnEmptyDrive() throws {
        let machine = try emptyMachine()
        for packet in [
            [PacketOpcode.testUnitReady], [PacketOpcode.readCapacity],
            TestMachine.read10(0, count: 1),
            TestMachine.readCD(0, count: 1, ReadCDFields.all),
            [PacketOpcode.readTOC, 0, 0, 0, 0, 0, 0, 0, 255],
            [PacketOpcode.readDiscInformation, 0, 0, 0, 0, 0, 0, 0, 255],
            [PacketOpcode.readTrackInformation, 1, 0, 0, 0, 1, 0, 0, 255],
            [PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 0, 0, 0, 255],
            [PacketOpcode.readSubchannel, 0, PacketBits.subchannelData, 1, 0, 0, 0, 0, 255],
            [PacketOpcode.seek10],
        ] {
            machine.packet(packet)
            machine.expectFailure(removed)
        }
        XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.empty])
        XCTAssertEqual(machine.dataIn([PacketOpcode.inquiry, 0, 0, 0, 36]).count, 36)
        XCTAssertEqual(
            Array(machine.dataIn([PacketOpcode.getConfiguration, 0, 0, 0, 0, 0, 0, 0, 8])[6...]),
            [0, 0])
        machine.packet([PacketOpcode.preventAllowMediumRemoval, 0, 0, 0, 1])
        machine.expectSuccess()
        machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
        machine.expectFailure(.removalPrevented)
        XCTAssertThrowsError(try machine.controller.eject(slot))
        machine.packet([PacketOpcode.preventAllowMediumRemoval])
        machine.expectSuccess()
        // A disc at last.
        let other = try otherDisc()
        try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
        XCTAssertEqual(events(machine), [MediumEvent.newMedium, MediumStatus.present])
        XCTAssertEqual(
            [machine.testUnitReady(), machine.testUnitReady(), machine.testUnitReady()],
            [PacketError.notReady, PacketError.unitAttention, nil])
    }

    func testTheGuestOpensAndClosesTheTray() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
            machine.expectSuccess()
            machine.packet([PacketOpcode.testUnitReady])
            machine.expectFailure(removed)
            XCTAssertEqual(events(machine), [MediumEvent.removal, MediumStatus.trayOpen])
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.trayOpen])
            XCTAssertEqual(
                Array(
                    machine.dataIn([PacketOpcode.mechanismStatus, 0, 0, 0, 0, 0, 0, 0, 0, 8])[..<2]),
                [0, 0x10])
            XCTAssertEqual(
                machine.dataIn([
                    PacketOpcode.modeSense10, 0, ModePage.capabilities, 0, 0, 0, 0, 0, 8,
                ])[2], 0x71)
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 3])
            machine.expectSuccess()
            // It is the same disc, but the drive cannot know that.
            XCTAssertEqual(events(machine), [MediumEvent.newMedium, MediumStatus.present])
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.present])
            machine.packet([PacketOpcode.testUnitReady])
            machine.expectFailure(inserted)
            XCTAssertNil(machine.testUnitReady())
            XCTAssertEqual(machine.dataIn(TestMachine.read10(1, count: 1)), Self.content(block: 1))
            XCTAssertEqual(
                Array(
                    machine.dataIn([PacketOpcode.mechanismStatus, 0, 0, 0, 0, 0, 0, 0, 0, 8])[..<2]),
                [0, 0])
            // Start and stop without the tray, and a power condition.
            for byte in [0, 1, 0x32] as [UInt8] {
                machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, byte])
                machine.expectSuccess()
                XCTAssertNil(machine.testUnitReady())
            }
        }
    }

    /// Eject and load, one right after the other, by a guest that does not poll.
    func testATrayThatWasMovedIsToldOnce() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            for byte in [2, 2, 3, 3] as [UInt8] {
                machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, byte])
                if byte == 3 && machine.alternateStatus == DriveStatus.failed {
                    // START STOP UNIT is told as well: the second load of a closed tray.
                    machine.expectFailure(inserted)
                } else {
                    machine.expectSuccess()
                }
            }
            XCTAssertNil(machine.testUnitReady())
            XCTAssertEqual(events(machine), [MediumEvent.newMedium, MediumStatus.present])
            // To close what is closed, and to open what is open, is nothing new.
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 3])
            machine.expectSuccess()
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.present])
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
            machine.expectSuccess()
            XCTAssertEqual(events(machine), [MediumEvent.removal, MediumStatus.trayOpen])
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
            machine.expectSuccess()
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.trayOpen])
        }
    }

    func testAnEmptyTrayHasNothingToTell() throws {
        let machine = try emptyMachine()
        machine.packet([PacketOpcode.preventAllowMediumRemoval, 0, 0, 0, 1])
        machine.expectSuccess()
        XCTAssertThrowsError(try machine.controller.eject(slot))
        machine.packet([PacketOpcode.preventAllowMediumRemoval])
        machine.expectSuccess()
        // The guest does what the user wanted, who then need not be told of any more.
        machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
        machine.expectSuccess()
        XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.trayOpen])
        machine.packet([PacketOpcode.testUnitReady])
        machine.expectFailure(removed)
        machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 3])
        machine.expectSuccess()
        XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.empty])
        machine.packet([PacketOpcode.testUnitReady])
        machine.expectFailure(removed)
    }

    func testAPreventedMediumStays() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { machine in
            let image = try machine.openCD(other.path)
            machine.packet([PacketOpcode.preventAllowMediumRemoval, 0, 0, 0, 1])
            machine.expectSuccess()
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
            machine.expectFailure(.removalPrevented)
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.present])
            XCTAssertThrowsError(try machine.controller.eject(slot)) {
                XCTAssertEqual($0 as? IDEError, .mediumLocked(slot))
            }
            // The guest hears of it, once.
            XCTAssertEqual(events(machine), [MediumEvent.ejectRequest, MediumStatus.present])
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.present])
            XCTAssertThrowsError(try machine.controller.changeMedium(slot, to: image))
            XCTAssertEqual(machine.dataIn(TestMachine.read10(2, count: 1)), Self.content(block: 2))
            XCTAssertEqual(
                machine.dataIn([
                    PacketOpcode.modeSense10, 0, ModePage.capabilities, 0, 0, 0, 0, 0, 255,
                ])[14] & 2, 2)
            machine.packet([PacketOpcode.preventAllowMediumRemoval])
            machine.expectSuccess()
            XCTAssertEqual(
                machine.dataIn([
                    PacketOpcode.modeSense10, 0, ModePage.capabilities, 0, 0, 0, 0, 0, 255,
                ])[14] & 2, 0)
            try machine.controller.eject(slot)
            XCTAssertNil(machine.controller.medium(in: slot))
            machine.packet([PacketOpcode.testUnitReady])
            machine.expectFailure(removed)
        }
    }

    func testPreventionEndsWithResets() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            for reset in 0..<3 {
                machine.packet([PacketOpcode.preventAllowMediumRemoval, 0, 0, 0, 1])
                machine.expectSuccess()
                XCTAssertThrowsError(try machine.controller.changeMedium(slot, to: nil))
                switch reset {
                case 0:
                    machine.control(DeviceControlBits.softwareReset)
                    machine.control(0)
                case 1: machine.outb(IDEPort.command, Opcode.deviceReset)
                default:
                    machine.controller.reset()
                    machine.enable()
                }
                machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
                machine.expectSuccess()
                machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 3])
                machine.expectSuccess()
                XCTAssertEqual(
                    [machine.testUnitReady(), machine.testUnitReady()],
                    [PacketError.unitAttention, nil])
            }
            XCTAssertNoThrow(try machine.controller.changeMedium(slot, to: nil))
        }
    }

    func testAResetForgetsNoChange() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { machine in
            try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
            machine.control(DeviceControlBits.softwareReset)
            machine.control(0)
            XCTAssertEqual(
                [machine.testUnitReady(), machine.testUnitReady(), machine.testUnitReady()],
                [PacketError.notReady, PacketError.unitAttention, nil])
        }
    }

    func testEjectingOpensTheTrayAndChangingClosesIt() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { machine in
            try machine.controller.eject(slot)
            XCTAssertEqual(events(machine), [MediumEvent.removal, MediumStatus.trayOpen])
            XCTAssertEqual(events(machine), [MediumEvent.none, MediumStatus.trayOpen])
            machine.packet([PacketOpcode.testUnitReady])
            machine.expectFailure(removed)
            try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
            XCTAssertEqual(events(machine), [MediumEvent.newMedium, MediumStatus.present])
            XCTAssertEqual(
                [machine.testUnitReady(), machine.testUnitReady(), machine.testUnitReady()],
                [PacketError.notReady, PacketError.unitAttention, nil])
            try machine.controller.changeMedium(slot, to: nil)
            XCTAssertEqual(events(machine), [MediumEvent.removal, MediumStatus.empty])
            XCTAssertEqual([machine.testUnitReady(), machine.testUnitReady()], [0x20, 0x20])
        }
    }

    func testTheMediumGoesWhileItIsRead() throws {
        let other = try otherDisc()
        for (packet, isDMA) in [
            (TestMachine.read10(0, count: 8), true), (TestMachine.read10(0, count: 8), false),
            (TestMachine.readCD(0, count: 8, ReadCDFields.all), true),
        ] {
            try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) {
                machine in
                let descriptors = machine.controller.descriptors
                let hold = machine.faults.add(.init(.hold, operations: [.read]))
                machine.setTable([(TestMachine.data, 0x8000)])
                machine.givePacket(packet, isDMA: isDMA)
                if isDMA { machine.start(toMemory: true) }
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                // Nobody waits for the host, twice over.
                try machine.controller.eject(slot)
                try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
                XCTAssertEqual(machine.controller.medium(in: slot)?.path, other.path)
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                machine.faults.remove(hold)
                machine.faults.release()
                machine.settle()
                XCTAssertEqual(machine.controller.descriptors, descriptors)
                machine.expectFailure(removed)
                XCTAssertEqual(
                    [machine.testUnitReady(), machine.testUnitReady(), machine.testUnitReady()],
                    [PacketError.notReady, PacketError.unitAttention, nil])
                machine.stop()
                XCTAssertEqual(
                    machine.dataIn([PacketOpcode.readCapacity]),
                    TestMachine.bytes(299) + TestMachine.bytes(2048))
                XCTAssertEqual(
                    machine.dataIn(TestMachine.read10(0, count: 1)),
                    [UInt8](repeating: 0, count: 2048))
            }
        }
    }

    func testTheMediumGoesBetweenBursts() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packet(TestMachine.read10(0, count: 8), limit: 4096)
            try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
            // What is offered already can still be had.
            XCTAssertEqual(machine.readData(count: 4096), Self.content(block: 0, count: 2))
            machine.settle()
            machine.expectFailure(removed)
            // And one that waits for the bus master.
            try machine.controller.changeMedium(
                slot, to: machine.openCD(Self.target(MachineConfiguration.one.target).path))
            while machine.testUnitReady() != nil {}
            machine.setTable([(TestMachine.data, 2048)])
            machine.packet(TestMachine.read10(0, count: 1), isDMA: true)
            try machine.controller.eject(slot)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.bmStatus & 3, 0)
            machine.expectFailure(removed)
        }
    }

    func testWhatIsNoDiscOrNoDrive() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            let small = try TemporaryImage(size: 1536)
            XCTAssertThrowsError(
                try machine.controller.changeMedium(slot, to: machine.openCD(small.path)))
            XCTAssertNil(machine.testUnitReady())
            XCTAssertThrowsError(try machine.controller.eject(.primarySlave)) {
                XCTAssertEqual($0 as? IDEError, .notRemovable(.primarySlave))
            }
            XCTAssertThrowsError(try machine.attachCD(nil)) {
                XCTAssertEqual($0 as? IDEError, .slotTaken(.primaryMaster))
            }
        }
    }

    func testEventsThatDoNotFitAreKept() throws {
        let other = try otherDisc()
        try forEachCD(over: MachineConfiguration.engines) { machine in
            try machine.controller.changeMedium(slot, to: machine.openCD(other.path))
            XCTAssertEqual(
                machine.dataIn([
                    PacketOpcode.getEventStatusNotification, PacketBits.polled, 0, 0,
                    EventClass.media, 0, 0, 0, 4,
                ]
                ), [0, 4, 4, 0x10])
            XCTAssertEqual(
                machine.dataIn([
                    PacketOpcode.getEventStatusNotification, PacketBits.polled, 0, 0,
                    EventClass.operationalChange, 0, 0, 0, 8,
                ]
                ), [0, 0, 0x80, 0x10])
            XCTAssertEqual(events(machine), [MediumEvent.newMedium, MediumStatus.present])
            // Only polling.
            machine.packet([
                PacketOpcode.getEventStatusNotification, 0, 0, 0, EventClass.media, 0, 0, 0, 8,
            ])
            machine.expectFailure(.invalidField)
        }
    }
}
