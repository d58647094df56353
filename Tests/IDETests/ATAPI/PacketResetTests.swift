import BlockATA
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI" and "Task file": signature, resets, and commands that are no packets.
final class PacketResetTests: CDTestCase {
    private func expectSignature(_ machine: TestMachine, line: UInt = #line) {
        XCTAssertEqual(machine.alternateStatus, 0, line: line)
        XCTAssertEqual([machine.error, machine.count], [1, 1], line: line)
        XCTAssertEqual(machine.address24, 0xEB1401, line: line)
        XCTAssertFalse(machine.irq, line: line)
    }

    func testSignatures() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            expectSignature(machine)
            machine.outb(IDEPort.count, 0x55)
            machine.control(DeviceControlBits.softwareReset)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.control(0)
            expectSignature(machine)
            machine.outb(IDEPort.lbaMid, 0x55)
            machine.outb(IDEPort.device, DeviceSelect.master | DeviceSelect.lba | 15)
            machine.outb(IDEPort.command, Opcode.deviceReset)
            expectSignature(machine)
            XCTAssertEqual(machine.device, DeviceSelect.master)
            machine.outb(IDEPort.command, Opcode.executeDeviceDiagnostic)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, 0)
            expectSignature(machine)
        }
    }

    func testIdentifyAndReadAbortWithTheSignature() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            for opcode in [Opcode.identifyDevice, Opcode.readSectors, Opcode.readSectorsNoRetry]
                as [UInt8]
            {
                machine.command28(opcode, lba: 0x7654321, count: 9)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(
                    [machine.error, machine.count, machine.device],
                    [DriveError.aborted, 1, DeviceSelect.master | DeviceSelect.lba])
                XCTAssertEqual(machine.address24, 0xEB1401)
                XCTAssertEqual(machine.status, DriveStatus.failed)
            }
            // Others, unknown or a disk's, just abort.
            for opcode in [
                Opcode.nop, Opcode.readDMA, Opcode.readDMAExt, Opcode.flushCache, 0xFE,
                Opcode.smart,
            ] as [UInt8] {
                machine.command28(opcode, lba: 0x123456, count: 9)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual([machine.error, machine.count], [DriveError.aborted, 9])
                XCTAssertEqual(machine.status, DriveStatus.failed)
            }
        }
    }

    /// A drive that is held in reset takes no command at all.
    func testDeviceResetDuringSRSTIsIgnored() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.control(DeviceControlBits.softwareReset)
            machine.outb(IDEPort.command, Opcode.deviceReset)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.outb(IDEPort.command, Opcode.packet)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.control(0)
            expectSignature(machine)
        }
    }

    func testDeviceResetEndsEverything() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            // While the packet is wanted; DRQ keeps every other command away.
            machine.outb(IDEPort.device, DeviceSelect.master)
            machine.outb(IDEPort.command, Opcode.packet)
            machine.outb(IDEPort.command, Opcode.identifyPacketDevice)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            machine.outb(IDEPort.command, Opcode.deviceReset)
            expectSignature(machine)
            // While data is offered.
            machine.packet(TestMachine.read10(0, count: 2))
            machine.outb(IDEPort.command, Opcode.deviceReset)
            expectSignature(machine)
            XCTAssertEqual(machine.readData(count: 2), [0, 0])
            // While a command waits for the bus master.
            machine.setTable([(TestMachine.data, 2048)])
            machine.packet(TestMachine.read10(0, count: 1), isDMA: true)
            machine.outb(IDEPort.command, Opcode.deviceReset)
            machine.start(toMemory: true)
            machine.settle()
            expectSignature(machine)
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 2048), [UInt8](repeating: 0, count: 2048)
            )
            machine.stop()
            XCTAssertEqual(machine.dataIn(TestMachine.read10(1, count: 1)), Self.content(block: 1))
        }
    }

    func testDeviceResetWaitsForTheHost() throws {
        for (packet, isDMA) in [
            (TestMachine.read10(0, count: 1), true), (TestMachine.read10(0, count: 1), false),
            (TestMachine.readCD(0, count: 1, ReadCDFields.all), true),
        ] {
            for isSRST in [false, true] {
                try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) {
                    machine in
                    let hold = machine.faults.add(.init(.hold, operations: [.read]))
                    machine.setTable([(TestMachine.data, 4096)])
                    machine.givePacket(packet, isDMA: isDMA)
                    if isDMA { machine.start(toMemory: true) }
                    if isSRST {
                        machine.control(DeviceControlBits.softwareReset)
                        machine.control(0)
                    } else {
                        machine.outb(IDEPort.command, Opcode.deviceReset)
                    }
                    XCTAssertEqual(
                        [machine.alternateStatus, machine.bmStatus & BusMasterStatus.active],
                        [DriveStatus.busy, 0])
                    XCTAssertTrue(machine.controller.isBusy)
                    machine.faults.remove(hold)
                    machine.faults.release()
                    machine.settle()
                    expectSignature(machine)
                    machine.stop()
                    XCTAssertEqual(
                        machine.dataIn(TestMachine.read10(1, count: 1)), Self.content(block: 1))
                }
            }
        }
    }

    func testIdentifyPacketDevice() throws {
        try forEachCD(
            CDROMOptions(serial: "S1", firmware: "F2"), over: MachineConfiguration.engines
        ) { machine in
            machine.outb(IDEPort.device, DeviceSelect.master)
            machine.outb(IDEPort.command, Opcode.identifyPacketDevice)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            let bytes = machine.readData(count: 512)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.idle)
            XCTAssertFalse(machine.irq)
            let words = (0..<256).map { UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8 }
            XCTAssertEqual(words[IdentifyWord.configuration], 0x85C0)
            XCTAssertEqual(text(words[IdentifyWord.serial]), "S1".padded(20))
            XCTAssertEqual(text(words[IdentifyWord.firmware]), "F2".padded(8))
            XCTAssertEqual(text(words[IdentifyWord.model]), "BLOCKIO SWIFT DVD-ROM".padded(40))
            XCTAssertEqual(words[IdentifyWord.capabilities] & 0x0300, 0x0300, "DMA, LBA")
            XCTAssertEqual(
                words[IdentifyWord.supportedCommandSets] & words[IdentifyWord.enabledCommandSets],
                0x4218)
            XCTAssertEqual(
                [words[IdentifyWord.multiwordDMA], words[IdentifyWord.ultraDMA]], [0x0007, 0x203F])
            XCTAssertEqual(bytes.reduce(0, &+), 0)
        }
    }

    private func text(_ words: ArraySlice<UInt16>) -> String {
        String(
            decoding: words.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] },
            as: UTF8.self)
    }

    func testTransferModesAndPower() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.command28(
                Opcode.setFeatures, count: TransferModeValue.multiwordDMA(2),
                features: Feature.setTransferMode)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.outb(IDEPort.command, Opcode.identifyPacketDevice)
            let bytes = machine.readData(count: 512)
            XCTAssertEqual(
                [IdentifyWord.multiwordDMA, IdentifyWord.ultraDMA].flatMap {
                    bytes[2 * $0...2 * $0 + 1]
                },
                [7, 4, 0x3F, 0])
            for (features, count) in [
                (Feature.setTransferMode, TransferModeValue.ultraDMA(6)),
                (Feature.setTransferMode, TransferModeValue.multiwordDMA(3)),
                (Feature.enableWriteCache, 0), (Feature.enableReadLookAhead, 0),
            ] {
                machine.command28(Opcode.setFeatures, count: count, features: features)
                XCTAssertEqual(
                    [machine.error, machine.status], [DriveError.aborted, DriveStatus.failed])
            }
            for (opcode, expected) in [
                (Opcode.standbyImmediate, 0), (Opcode.idleImmediate, 0xFF),
                (Opcode.retiredStandby, 0),
                (Opcode.idle, 0xFF),
            ] {
                machine.command28(UInt8(opcode))
                XCTAssertEqual(machine.status, DriveStatus.idle)
                machine.command28(Opcode.checkPowerMode)
                XCTAssertEqual(machine.count, UInt8(expected))
            }
            machine.command28(Opcode.standby)
            _ = machine.dataIn(TestMachine.read10(0, count: 1))
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual(machine.count, 0xFF)
        }
    }

    func testBesideADisk() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            try machine.attachCD(Self.target(.tmpfsFile, 1).path, to: .primarySlave)
            machine.outb(IDEPort.device, DeviceSelect.slave)
            expectSignature(machine)
            machine.outb(IDEPort.device, DeviceSelect.master)
            machine.transfer(Opcode.readDMA, lba: 3, count: 4, [(TestMachine.data, 2048)])
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 2048), Self.content(sector: 3, count: 4))
            machine.outb(IDEPort.device, DeviceSelect.slave)
            XCTAssertEqual(machine.alternateStatus, 0)
            machine.outb(IDEPort.command, Opcode.identifyPacketDevice)
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            XCTAssertEqual(machine.readData(count: 512)[1], 0x85)
            // DEVICE RESET is the drive's own affair.
            machine.outb(IDEPort.command, Opcode.deviceReset)
            expectSignature(machine)
            machine.outb(IDEPort.device, DeviceSelect.master)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.idle)
        }
    }
}

extension String {
    fileprivate func padded(_ count: Int) -> String {
        self + String(repeating: " ", count: count - utf8.count)
    }
}
