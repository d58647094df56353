import BlockATA
import BlockDMA
import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "State": a CD/DVD-ROM drive.
final class PacketStateTests: CDTestCase {
    private let engines = MachineConfiguration.engines

    func testSettings() throws {
        try forEachCD(over: engines) { machine in
            machine.command28(
                Opcode.setFeatures, count: TransferModeValue.multiwordDMA(2),
                features: Feature.setTransferMode)
            machine.packet([PacketOpcode.modeSelect10, PacketBits.pageFormat, 0, 0, 0, 0, 0, 0, 16])
            machine.writeData([0, 0, 0, 0, 0, 0, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0])
            _ = machine.dataIn(TestMachine.read10(6, count: 1))
            machine.packet([PacketOpcode.preventAllowMediumRemoval, 0, 0, 0, 1])
            machine.command28(Opcode.standbyImmediate)
            try move(machine)
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual(machine.count, 0, "standby")
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.modeSense6, 0, ModePage.errorRecovery, 0, 255]),
                [11, 1, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0])
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.mechanismStatus, 0, 0, 0, 0, 0, 0, 0, 0, 5]),
                [0, 0, 0, 0, 6])
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
            machine.expectFailure(.removalPrevented)
            machine.outb(IDEPort.command, Opcode.identifyPacketDevice)
            XCTAssertEqual(Array(machine.readData(count: 512)[126..<128]), [7, 4])
        }
    }

    func testTrayAndSense() throws {
        let other = try TemporaryImage(size: 300 * 2048)
        try forEachCD(over: engines) { machine in
            machine.packet(TestMachine.read10(.max, count: 1))
            try move(machine)
            machine.expectFailure(.addressOutOfRange)
            machine.packet([PacketOpcode.startStopUnit, 0, 0, 0, 2])
            try move(machine)
            machine.expectSuccess()
            machine.packet([PacketOpcode.testUnitReady])
            machine.expectFailure(.mediumNotPresent)
            try machine.controller.changeMedium(.primaryMaster, to: machine.openCD(other.path))
            try move(machine)
            XCTAssertEqual(machine.testUnitReady(), PacketError.notReady)
            try move(machine)
            XCTAssertEqual(machine.testUnitReady(), PacketError.unitAttention)
            try move(machine)
            XCTAssertNil(machine.testUnitReady())
            XCTAssertEqual(
                machine.dataIn([
                    PacketOpcode.getEventStatusNotification, PacketBits.polled, 0, 0,
                    EventClass.media, 0, 0, 0, 8,
                ]
                ), [0, 4, 4, 0x10, 2, 2, 0, 0])
        }
    }

    func testInTheMiddleOfPacketAndData() throws {
        try forEachCD(over: engines) { machine in
            let packet = TestMachine.read10(7, count: 2)
            machine.outb(IDEPort.device, DeviceSelect.master)
            machine.outb(IDEPort.features, 0)
            machine.outb(IDEPort.lbaMid, 0xE8)
            machine.outb(IDEPort.lbaHigh, 0x03)
            machine.outb(IDEPort.command, Opcode.packet)
            machine.writeData(Array(packet[..<6]))
            try move(machine)
            XCTAssertEqual(
                [machine.alternateStatus, machine.reason],
                [DriveStatus.wantsData, ReasonRegister.packet])
            machine.writeData(Array(packet[6...]) + [0, 0, 0])
            machine.settle()
            XCTAssertEqual(machine.byteCount, 1000)
            var data = machine.readData(count: 400)
            try move(machine)
            XCTAssertEqual(
                [machine.alternateStatus, machine.reason],
                [DriveStatus.wantsData, ReasonRegister.dataIn])
            data += machine.readData(count: 600)
            machine.settle()
            try move(machine)
            data += machine.takeBursts().data
            machine.expectSuccess()
            XCTAssertEqual(data, Self.content(block: 7, count: 2))
            machine.packet([PacketOpcode.inquiry, 0, 0, 0, 36])
            data = machine.readData(count: 4)
            try move(machine)
            data += machine.readData(count: 32)
            machine.expectSuccess()
            XCTAssertEqual(Array(data[..<5]), [5, 0x80, 0, 0x21, 31])
        }
    }

    func testArmedAndInFlight() throws {
        try forEachCD(over: engines) { machine in
            for (packet, size) in [
                (TestMachine.read10(7, count: 2), 4096),
                (TestMachine.readCD(7, count: 2, ReadCDFields.all), 4704),
            ] {
                machine.stop()
                machine.clearBusMasterStatus()
                machine.setTable([(TestMachine.data, size)])
                machine.packet(packet, isDMA: true)
                try move(machine)
                XCTAssertEqual(
                    [machine.alternateStatus, machine.reason],
                    [DriveStatus.wantsData, ReasonRegister.dataIn])
                machine.start(toMemory: true)
                try move(machine)
                XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
                machine.expectSuccess()
                let bytes = machine.bytes(at: TestMachine.data, count: size)
                XCTAssertEqual(
                    Array(bytes[(size == 4704 ? 16 : 0)...].prefix(2048)), Self.content(block: 7))
            }
        }
    }

    func testKeptByPolicy() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: engines) { machine in
            for isDMA in [false, true] {
                machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
                machine.stop()
                machine.clearBusMasterStatus()
                machine.setTable([(TestMachine.data, 4096)])
                machine.packet(TestMachine.read10(9, count: 2), isDMA: isDMA)
                if isDMA { machine.start(toMemory: true) }
                machine.settle()
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                try move(machine)
                XCTAssertFalse(machine.irq)
                machine.controller.resume()
                machine.settle()
                let data =
                    isDMA
                    ? machine.bytes(at: TestMachine.data, count: 4096) : machine.takeBursts().data
                machine.expectSuccess()
                XCTAssertEqual(data, Self.content(block: 9, count: 2))
            }
        }
    }
}
