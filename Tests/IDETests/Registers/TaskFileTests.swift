import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Task file".
final class TaskFileTests: IDETestCase {
    func testPowerOnShowsTheSignature() throws {
        try forEachMachine { machine in
            machine.sample("power-on")
            XCTAssertEqual(
                [
                    machine.error, machine.count, machine.inb(IDEPort.lbaLow),
                    machine.inb(IDEPort.lbaMid), machine.inb(IDEPort.lbaHigh),
                ], [1, 1, 1, 0, 0], "the code of a good diagnostic, and the signature of a disk")
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(machine.device, DeviceSelect.master)
            XCTAssertEqual(machine.takeChanges(), [], "no interrupt")
        }
    }

    func testRegisterWritesReachBothDrives() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            try machine.attach(Self.plainPath(1), to: .primarySlave)
            for (index, value) in ([0x12, 0x34, 0x56, 0x78] as [UInt8]).enumerated() {
                machine.outb(IDEPort.count + UInt16(index), value)
            }
            for device in [
                DeviceSelect.master | DeviceSelect.lba, DeviceSelect.slave | DeviceSelect.lba,
            ] {
                machine.outb(IDEPort.device, device)
                XCTAssertEqual(
                    (IDEPort.count...IDEPort.lbaHigh).map(machine.inb), [0x12, 0x34, 0x56, 0x78])
                XCTAssertEqual(machine.device, device)
            }
        }
    }

    func testHighOrderBytes() throws {
        try forEachMachine { machine in
            // Different values in each register, and different ones before.
            func previous(_ port: UInt16) -> UInt8 { UInt8(port - IDEPort.data) * 16 }
            func current(_ port: UInt16) -> UInt8 { previous(port) + 1 }
            for port in IDEPort.features...IDEPort.lbaHigh {
                machine.outb(port, previous(port))
                machine.outb(port, current(port))
            }
            machine.sample("registers")
            for port in IDEPort.count...IDEPort.lbaHigh {
                machine.outb(IDEPort.deviceControl, DeviceControlBits.highOrderByte)
                XCTAssertEqual(machine.inb(port), previous(port))
                machine.outb(IDEPort.deviceControl, 0)
                XCTAssertEqual(machine.inb(port), current(port))
                machine.outb(IDEPort.deviceControl, DeviceControlBits.highOrderByte)
                machine.outb(port, 0)
                XCTAssertEqual(machine.inb(port), 0, "a write ends HOB")
            }
            machine.outb(IDEPort.deviceControl, DeviceControlBits.highOrderByte)
            XCTAssertEqual(machine.inb(IDEPort.error), previous(IDEPort.features))
            machine.outb(IDEPort.device, DeviceSelect.master)
            XCTAssertEqual(machine.inb(IDEPort.error), 1, "a write of the device register ends HOB")
            machine.outb(IDEPort.deviceControl, DeviceControlBits.highOrderByte)
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            XCTAssertEqual(machine.count, 0xFF, "a write of the command register ends HOB")
        }
    }

    func testDeviceRegisterBitsAlwaysSet() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.outb(IDEPort.device, 0)
            XCTAssertEqual(machine.device, DeviceSelect.master)
            let (lba, head) = (DeviceSelect.lba, UInt8(15))
            machine.outb(IDEPort.device, lba | head)
            XCTAssertEqual(machine.device, DeviceSelect.master | lba | head)
        }
    }

    func testStatusLowersTheInterruptAlternateStatusDoesNot() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.checkPowerMode)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.idle)
            XCTAssertTrue(machine.irq)
            machine.sample("raised")
            XCTAssertTrue(machine.irq, "nor does any other register")
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertFalse(machine.irq)
            machine.sample("lowered")
        }
    }

    func testACommandLowersTheInterrupt() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual(machine.takeChanges(), ["irq14+"])
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            XCTAssertEqual(machine.takeChanges(), ["irq14-", "irq14+"])
            // Ignored: an absent drive.
            machine.outb(IDEPort.device, DeviceSelect.slave | DeviceSelect.lba)
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            XCTAssertEqual(machine.takeChanges(), ["irq14-"])
            // Ignored: an occupied drive.
            machine.command28(Opcode.identifyDevice)
            XCTAssertEqual(machine.takeChanges(), ["irq14+"])
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            XCTAssertEqual(machine.takeChanges(), ["irq14-"])
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
        }
    }

    func testOccupiedDriveIgnoresRegisters() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.readSectors, lba: 0x10, count: 1)
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            let before = (IDEPort.error...IDEPort.device).map(machine.inb)
            for port in IDEPort.features...IDEPort.device { machine.outb(port, 0x5A) }
            machine.outb(IDEPort.command, Opcode.writeSectors)
            XCTAssertEqual((IDEPort.error...IDEPort.device).map(machine.inb), before)
            machine.sample("occupied")
            XCTAssertEqual(machine.readData(count: 512), Self.content(sector: 0x10))
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("done")
        }
    }

    func testBusyDriveIgnoresRegistersButNotDeviceControl() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let hold = machine.faults.add(.init(.hold))
            machine.command28(Opcode.readSectors, lba: 0x10, count: 1)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            machine.outb(IDEPort.count, 0x55)
            machine.outb(IDEPort.device, DeviceSelect.slave | DeviceSelect.lba)
            machine.outb(IDEPort.command, Opcode.checkPowerMode)
            XCTAssertEqual(
                [machine.count, machine.device, machine.alternateStatus],
                [1, DeviceSelect.master | DeviceSelect.lba, DriveStatus.working])
            machine.control(DeviceControlBits.interruptDisable)
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            XCTAssertFalse(machine.irq, "nIEN was taken")
        }
    }

    func testNoDriveAtAll() throws {
        let machine = try TestMachine()
        for device in [DeviceSelect.master, DeviceSelect.slave] {
            machine.outb(IDEPort.device, device)
            for port in IDEPort.data...IDEPort.command {
                // In the last of them a command that drives carry out that are not selected.
                machine.outb(port, Opcode.executeDeviceDiagnostic)
                XCTAssertEqual(machine.inb(port), 0)
            }
            XCTAssertEqual(machine.alternateStatus, 0)
        }
        XCTAssertEqual(machine.takeChanges(), [])
    }

    func testAbsentSlave() throws {
        try forEachMachine { machine in
            machine.outb(IDEPort.device, DeviceSelect.slave)
            XCTAssertEqual([machine.status, machine.alternateStatus], [0, 0])
            for command in [
                Opcode.identifyDevice, Opcode.readSectors, Opcode.executeDeviceDiagnostic,
                Opcode.readDMA, Opcode.unknown,
            ] {
                machine.outb(IDEPort.command, command)
                XCTAssertFalse(machine.controller.isBusy)
                XCTAssertEqual(machine.alternateStatus, 0)
            }
            XCTAssertEqual(machine.takeChanges(), [])
            XCTAssertEqual(machine.device, DeviceSelect.slave)
            machine.sample("absent")
            machine.outb(IDEPort.device, DeviceSelect.master)
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    /// ATA/ATAPI-6 9.16.1: all but status reads as if device 0 were selected.
    func testMasterAnswersForAnAbsentSlave() throws {
        let machine = try machine()
        // READ NATIVE MAX ADDRESS changes the registers of the drive that carries it out.
        machine.command28(Opcode.readNativeMaxAddress)
        let shown = (IDEPort.error...IDEPort.lbaHigh).map(machine.inb)
        let lbaLow = Int(CommandBlock.lbaLow - CommandBlock.error)
        XCTAssertGreaterThan(shown[lbaLow], 0)
        machine.outb(IDEPort.device, DeviceSelect.slave | DeviceSelect.lba)
        XCTAssertEqual([machine.status, machine.alternateStatus], [0, 0])
        XCTAssertEqual((IDEPort.error...IDEPort.lbaHigh).map(machine.inb), shown)
        machine.outb(IDEPort.device, DeviceSelect.master | DeviceSelect.lba)
        machine.outb(IDEPort.command, Opcode.unknown)
        machine.outb(IDEPort.device, DeviceSelect.slave | DeviceSelect.lba)
        XCTAssertEqual(machine.error, DriveError.aborted)
        for port in IDEPort.count...IDEPort.lbaHigh { machine.outb(port, 0x55) }
        XCTAssertEqual(
            (IDEPort.count...IDEPort.lbaHigh).map(machine.inb), [0x55, 0x55, 0x55, 0x55])
        machine.control(DeviceControlBits.highOrderByte)
        XCTAssertEqual(machine.inb(IDEPort.lbaLow), shown[lbaLow])
    }

    func testAbsentMasterBesideASlave() throws {
        let path = try Self.plainPath(0)
        try compare(
            over: MachineConfiguration.engines,
            with: machines(with: path, in: .primarySlave)
        ) { machine in
            XCTAssertEqual([machine.status, machine.error, machine.count], [0, 0, 0])
            machine.outb(IDEPort.command, Opcode.identifyDevice)
            XCTAssertEqual(machine.status, 0)
            XCTAssertEqual(machine.takeChanges(), [])
            machine.outb(IDEPort.device, DeviceSelect.slave)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.outb(IDEPort.command, Opcode.identifyDevice)
            XCTAssertEqual(machine.takeChanges(), ["irq14+"])
            XCTAssertEqual(machine.readData(count: 512).count, 512)
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    func testNIENHidesInterruptsForGood() throws {
        try forEachMachine { machine in
            machine.control(DeviceControlBits.interruptDisable)
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual(machine.bmStatus, 0)
            machine.control(0)
            XCTAssertEqual(machine.bmStatus, 0)
            XCTAssertEqual(machine.takeChanges(), [], "not raised later")
            machine.sample("hidden")
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.control(DeviceControlBits.interruptDisable)
            XCTAssertEqual(machine.takeChanges(), ["irq14+", "irq14-"], "nIEN lets go of the line")
            machine.control(0)
            XCTAssertEqual(machine.takeChanges(), ["irq14+"])
            machine.sample("shown")
        }
    }

    func testWideAccessesAreBytes() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.controller.writePort(IDEPort.count, width: 4, value: 0x4433_2211)
            XCTAssertEqual(
                (IDEPort.count...IDEPort.lbaHigh).map(machine.inb), [0x11, 0x22, 0x33, 0x44])
            XCTAssertEqual(machine.controller.readPort(IDEPort.lbaMid, width: 2), 0x4433)
            XCTAssertEqual(
                machine.controller.readPort(IDEPort.alternateStatus, width: 2),
                0xFF00 | UInt32(DriveStatus.idle))
            XCTAssertEqual(machine.controller.readPort(IDEPort.count, width: 0), 0)
        }
    }
}
