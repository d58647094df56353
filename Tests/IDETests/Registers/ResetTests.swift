import BlockATA
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Task file": SRST, the diagnostic, PCI reset.
final class ResetTests: IDETestCase {
    private func expectSignature(_ machine: TestMachine, line: UInt = #line) {
        XCTAssertEqual(
            [
                machine.error, machine.count, machine.inb(IDEPort.lbaLow),
                machine.inb(IDEPort.lbaMid), machine.inb(IDEPort.lbaHigh), machine.alternateStatus,
            ], [1, 1, 1, 0, 0, DriveStatus.idle], line: line)
    }

    func testSRST() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.checkPowerMode, lba: 0x123456, count: 9)
            machine.control(DeviceControlBits.softwareReset)
            XCTAssertFalse(machine.irq, "a pending interrupt goes")
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.controller.poll()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy, "as long as the bit is set")
            machine.outb(IDEPort.count, 7)
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            XCTAssertEqual(machine.takeChanges(), ["irq14+", "irq14-"])
            machine.control(0)
            expectSignature(machine)
            XCTAssertEqual(machine.takeChanges(), [], "no interrupt")
            XCTAssertEqual(
                machine.bmStatus, BusMasterStatus.interrupt, "that of the command before")
            machine.sample("after SRST")
        }
    }

    func testSRSTOfBothDrivesSelectsTheFirst() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            try machine.attach(Self.plainPath(1), to: .primarySlave)
            machine.outb(IDEPort.device, DeviceSelect.slave)
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            machine.control(DeviceControlBits.softwareReset)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.control(0)
            XCTAssertEqual(machine.device, DeviceSelect.master)
            expectSignature(machine)
            machine.outb(IDEPort.device, DeviceSelect.slave)
            expectSignature(machine)
        }
    }

    func testSRSTShowsWhatIsSelectedBusy() throws {
        // No drive 0: the host sees drive 1 busy, and is back at the place of drive 0 then.
        let machine = try TestMachine(.one)
        try machine.attach(Self.plainPath(1), to: .primarySlave)
        machine.enable()
        machine.outb(IDEPort.device, DeviceSelect.slave)
        machine.control(DeviceControlBits.softwareReset)
        XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
        machine.control(0)
        XCTAssertEqual([machine.device, machine.alternateStatus], [DeviceSelect.master, 0])
        machine.outb(IDEPort.device, DeviceSelect.slave)
        expectSignature(machine)
        // No drive 1: who looks there looks at drive 0 at once.
        let other = try self.machine()
        other.outb(IDEPort.device, DeviceSelect.slave)
        XCTAssertEqual(other.alternateStatus, 0)
        other.control(DeviceControlBits.softwareReset)
        XCTAssertEqual(other.alternateStatus, DriveStatus.busy)
        other.control(0)
        expectSignature(other)
    }

    func testSRSTWaitsForTheHost() throws {
        try forEachMachine { machine in
            let hold = machine.faults.add(.init(.hold))
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.readDMA, lba: 5, count: 1)
            machine.start(toMemory: true)
            XCTAssertTrue(machine.controller.isBusy)
            machine.control(DeviceControlBits.softwareReset)
            machine.control(0)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy, "memory may still change")
            XCTAssertEqual(machine.bmStatus, 0, "ACTIVE is 0 at once")
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            expectSignature(machine)
            XCTAssertEqual(machine.takeChanges(), [])
            machine.sample("after SRST")
        }
    }

    func testSRSTDropsPiecesNotSubmitted() throws {
        // Eight of them.
        try forEachMachine(over: MachineConfiguration.inPieces) { machine in
            let hold = machine.faults.add(.init(.hold, count: 1))
            machine.setTable([(TestMachine.data, 4096)])
            machine.command28(Opcode.writeDMA, lba: 0, count: 8)
            machine.start(toMemory: false)
            machine.control(DeviceControlBits.softwareReset)
            machine.control(0)
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            expectSignature(machine)
            XCTAssertEqual(
                try machine.medium(sector: 1, count: 7), Self.content(sector: 1, count: 7),
                "not written")
        }
    }

    func testSRSTDisarms() throws {
        try forEachMachine { machine in
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.readDMA, lba: 5, count: 1)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            machine.control(DeviceControlBits.softwareReset)
            machine.start(toMemory: true)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.stop()
            machine.control(0)
            machine.start(toMemory: true)
            XCTAssertFalse(machine.controller.isBusy)
            machine.settle()
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 512), [UInt8](repeating: 0, count: 512))
            XCTAssertEqual(machine.takeChanges(), [])
            expectSignature(machine)
            machine.sample("disarmed")
        }
    }

    func testSRSTWhileDataIsWaiting() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.command28(Opcode.writeSectors, lba: 0, count: 1)
            machine.writeData([1, 2, 3, 4])
            machine.control(DeviceControlBits.softwareReset)
            machine.control(0)
            expectSignature(machine)
            machine.writeData([UInt8](repeating: 0xEE, count: 512))
            machine.settle()
            XCTAssertEqual(try machine.medium(sector: 0, count: 1), Self.content(sector: 0))
        }
    }

    func testDiagnostic() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.executeDeviceDiagnostic, lba: 0x123456)
            XCTAssertTrue(machine.irq)
            expectSignature(machine)
            machine.sample("diagnostic")
        }
    }

    func testDiagnosticSelectsTheFirstDriveForReal() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            try machine.attach(Self.plainPath(1), to: .primarySlave, DiskOptions(serial: "SLAVE"))
            machine.outb(IDEPort.device, DeviceSelect.slave)
            machine.outb(IDEPort.command, Opcode.executeDeviceDiagnostic)
            XCTAssertEqual(machine.device, DeviceSelect.master)
            expectSignature(machine)
            machine.outb(IDEPort.command, Opcode.identifyDevice)
            let words = machine.readData(count: 512)
            XCTAssertEqual(Array(words[20..<22]), Array("IB".utf8), "IDENTIFY answers with BIO…")
            machine.outb(IDEPort.device, DeviceSelect.slave)
            expectSignature(machine)
        }
    }

    func testPCIResetWaitsForTheHost() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let hold = machine.faults.add(.init(.hold))
            machine.command28(Opcode.readSectors, lba: 5, count: 1)
            machine.controller.reset()
            XCTAssertTrue(machine.controller.isBusy)
            machine.enable()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            expectSignature(machine)
            XCTAssertEqual(machine.takeChanges(), [])
        }
    }

    func testPCIResetIsAsPowerOn() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.setMultipleMode, count: 4)
            machine.command28(Opcode.setFeatures, features: Feature.disableWriteCache)
            machine.settle()
            machine.setTable([(TestMachine.data, 512)])
            machine.start(toMemory: true)
            machine.controller.reset()
            machine.enable()
            expectSignature(machine)
            XCTAssertFalse(machine.irq)
            XCTAssertEqual(
                [
                    machine.inb(TestMachine.busMaster), machine.bmStatus,
                    machine.inb(TestMachine.busMaster + BusMasterRegister.table + 1),
                ], [0, 0, 0])
            let words = machine.identify()
            XCTAssertEqual(words[IdentifyWord.multipleSetting], 0x0110)
            XCTAssertEqual(
                words[IdentifyWord.enabledCommandSets] >> CommandSetBit.writeCache & 1, 1)
            machine.sample("reset")
        }
    }
}
