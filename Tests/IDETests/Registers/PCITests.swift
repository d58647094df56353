import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "PCI function".
final class PCITests: IDETestCase {
    func testIdentities() throws {
        for (identity, device) in [(IDEIdentity.piix3, 0x7010), (.piix4, 0x7111)] {
            let machine = try TestMachine(.one, identity: identity)
            XCTAssertEqual(
                machine.controller.readConfiguration(PCIOffset.identity, width: 4),
                UInt32(device) << 16 | 0x8086)
            XCTAssertEqual(
                machine.controller.readConfiguration(PCIOffset.revision, width: 4), 0x0101_8000,
                "class code 010180h, revision 0")
            XCTAssertEqual(machine.controller.readConfiguration(PCIOffset.headerType, width: 1), 0)
            machine.controller.writeConfiguration(PCIOffset.identity, width: 4, value: 0)
            XCTAssertEqual(
                machine.controller.readConfiguration(PCIOffset.identity, width: 2), 0x8086,
                "read-only")
            for bar in 0..<4 {
                let offset = PCIOffset.firstBAR + 4 * bar
                machine.controller.writeConfiguration(offset, width: 4, value: .max)
                XCTAssertEqual(machine.controller.readConfiguration(offset, width: 4), 0)
            }
        }
    }

    func testBusMasterBARHas16Ports() throws {
        let machine = try TestMachine()
        let bar = PCIOffset.busMasterBAR
        machine.controller.writeConfiguration(bar, width: 4, value: .max)
        XCTAssertEqual(machine.controller.readConfiguration(bar, width: 4), 0xFFFF_FFF1)
        let status = BusMasterRegister.status
        XCTAssertEqual(
            machine.controller.readPort(0xFFF0 + status, width: 1), 0xFF, "beyond the last port")
        let base: UInt16 = 0xD000
        machine.controller.writeConfiguration(bar, width: 4, value: UInt32(base))
        for offset in [status, BusMasterRegister.secondChannel + status] {
            XCTAssertEqual(machine.controller.readPort(base + offset, width: 1), 0)
        }
        XCTAssertEqual(machine.controller.readPort(base + 16, width: 1), 0xFF)
        XCTAssertEqual(
            machine.controller.readPort(TestMachine.busMaster + status, width: 1), 0xFF,
            "where it was before")
        machine.controller.writeConfiguration(bar, width: 4, value: 0)
        XCTAssertEqual(machine.controller.readPort(status, width: 1), 0xFF, "0 is no place")
    }

    func testTimingRegistersKeepWhatIsWritten() throws {
        for (identity, hasUDMA) in [(IDEIdentity.piix3, false), (.piix4, true)] {
            let machine = try TestMachine(.one, identity: identity)
            try machine.attach(Self.plainPath(0))
            for offset in PIIXOffset.timing...PIIXOffset.slaveTiming {
                machine.controller.writeConfiguration(offset, width: 1, value: 0xA5)
                XCTAssertEqual(machine.controller.readConfiguration(offset, width: 1), 0xA5)
                machine.controller.writeConfiguration(offset, width: 1, value: 0)
                XCTAssertEqual(machine.controller.readConfiguration(offset, width: 1), 0)
            }
            XCTAssertEqual(machine.status, DriveStatus.idle, "IDETIM bit 15 gates nothing")
            machine.controller.writeConfiguration(
                PIIXOffset.ultraDMA, width: 4, value: 0xDEAD_BEEF)
            XCTAssertEqual(
                machine.controller.readConfiguration(PIIXOffset.ultraDMA, width: 4),
                hasUDMA ? 0xDEAD_BEEF : 0)
        }
    }

    func testIOGate() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.checkPowerMode)
            machine.sample("before")
            machine.enable(PCICommandBits.busMaster)
            for port: UInt16 in [
                IDEPort.data, IDEPort.count, IDEPort.status, IDEPort.alternateStatus,
                TestMachine.busMaster, ChannelPort.secondary,
                ChannelPort.secondary + CommandBlock.control,
            ] {
                XCTAssertEqual(machine.controller.readPort(port, width: 1), 0xFF, hex(port))
                XCTAssertEqual(machine.controller.readPort(port, width: 2), 0xFFFF)
                XCTAssertEqual(machine.controller.readPort(port, width: 4), 0xFFFF_FFFF)
            }
            machine.outb(IDEPort.count, 0x12)
            machine.outb(TestMachine.busMaster + BusMasterRegister.table, 0x10)
            machine.outb(IDEPort.command, Opcode.setFeatures)
            machine.enable()
            XCTAssertEqual(machine.count, 0xFF)
            XCTAssertEqual(machine.inb(TestMachine.busMaster + BusMasterRegister.table), 0)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("after")
        }
    }

    func testBothGatesAreClosedAfterReset() throws {
        let machine = try TestMachine()
        func command() -> UInt16 {
            UInt16(machine.controller.readConfiguration(PCIOffset.command, width: 2))
        }
        XCTAssertEqual(command(), PCICommandBits.io | PCICommandBits.busMaster)
        machine.controller.reset()
        XCTAssertEqual(command(), 0)
        XCTAssertEqual(
            machine.controller.readConfiguration(PCIOffset.busMasterBAR, width: 4), 1, "ports at 0")
        XCTAssertEqual(machine.inb(IDEPort.status), 0xFF)
        machine.controller.writeConfiguration(PCIOffset.command, width: 2, value: 0xFFFF)
        XCTAssertEqual(
            command(), PCICommandBits.io | PCICommandBits.memory | PCICommandBits.busMaster,
            "no other bits")
    }

    /// The function has no memory that bit 1 could switch on, but software asks for it back.
    func testBit1KeepsWhatIsWrittenAndGatesNothing() throws {
        let machine = try TestMachine()
        try machine.attach(Self.plainPath(0))
        let (io, memory) = (PCICommandBits.io, PCICommandBits.memory)
        let busMaster = PCICommandBits.busMaster
        for command in [0, memory, io | busMaster, io | memory | busMaster] {
            machine.controller.writeConfiguration(
                PCIOffset.command, width: 2, value: UInt32(command))
            XCTAssertEqual(
                machine.controller.readConfiguration(PCIOffset.command, width: 2), UInt32(command))
            XCTAssertEqual(
                machine.inb(IDEPort.status), command & io == 0 ? 0xFF : DriveStatus.idle)
        }
        machine.transfer(Opcode.readDMA, lba: 9, count: 1, [(TestMachine.data, 512)])
        XCTAssertEqual(
            [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
        machine.controller.writeConfiguration(
            PCIOffset.command, width: 2, value: UInt32(io | memory))
        machine.transfer(Opcode.readDMA, lba: 9, count: 1, [(TestMachine.data, 512)])
        XCTAssertEqual(
            [machine.bmStatus, machine.status, machine.error],
            [BusMasterStatus.interruptAndError, DriveStatus.failed, DriveError.aborted])
        machine.controller.reset()
        XCTAssertEqual(machine.controller.readConfiguration(PCIOffset.command, width: 2), 0)
    }

    func testSecondaryChannel() throws {
        let machine = try TestMachine()
        try machine.attach(Self.plainPath(0), to: .secondarySlave)
        XCTAssertEqual(machine.inb(IDEPort.status), 0)
        let base = ChannelPort.secondary
        machine.outb(base + CommandBlock.device, DeviceSelect.slave)
        XCTAssertEqual(machine.inb(base + CommandBlock.status), DriveStatus.idle)
        machine.outb(base + CommandBlock.command, Opcode.checkPowerMode)
        XCTAssertEqual(machine.levels, [.irq15: true])
        XCTAssertEqual(
            machine.inb(
                TestMachine.busMaster + BusMasterRegister.secondChannel + BusMasterRegister.status),
            BusMasterStatus.interrupt)
        XCTAssertEqual(machine.inb(TestMachine.busMaster + BusMasterRegister.status), 0)
        XCTAssertEqual(machine.inb(base + CommandBlock.control), DriveStatus.idle)
        XCTAssertEqual(machine.levels, [.irq15: true])
        XCTAssertEqual(machine.inb(base + CommandBlock.status), DriveStatus.idle)
        XCTAssertEqual(machine.levels, [.irq15: false])
    }

    /// The first port of the registers of a base address register, in native mode.
    private func port(_ bar: UInt16) -> UInt16 { 0xE000 + 16 * bar }

    private func setPort(_ bar: UInt16, of machine: TestMachine) {
        machine.controller.writeConfiguration(
            PCIOffset.firstBAR + 4 * Int(bar), width: 4, value: UInt32(port(bar)))
    }

    func testNativeMode() throws {
        let machine = try TestMachine(.one, identity: IDEIdentity.piix3.native)
        try machine.attach(Self.plainPath(0))
        try machine.attach(Self.plainPath(1), to: .secondaryMaster)
        XCTAssertEqual(
            machine.controller.readConfiguration(PCIOffset.programmingInterface, width: 1), 0x8F)
        XCTAssertEqual(
            machine.controller.readConfiguration(PCIOffset.interruptPin, width: 1), 1, "INTA")
        XCTAssertEqual(
            machine.controller.readConfiguration(PIIXOffset.timing, width: 4), 0x8000_8000,
            "both channels are enabled")
        let sizes: [UInt32] = [0xFFFF_FFF9, 0xFFFF_FFFD, 0xFFFF_FFF9, 0xFFFF_FFFD, 0xFFFF_FFF1]
        for (bar, size) in sizes.enumerated() {
            let offset = PCIOffset.firstBAR + 4 * bar
            machine.controller.writeConfiguration(offset, width: 4, value: .max)
            XCTAssertEqual(machine.controller.readConfiguration(offset, width: 4), size)
            setPort(UInt16(bar), of: machine)
        }
        XCTAssertEqual(machine.inb(IDEPort.status), 0xFF, "nothing at the compatibility ports")
        XCTAssertEqual(machine.inb(port(0) + CommandBlock.status), DriveStatus.idle)
        XCTAssertEqual(machine.inb(port(1) + ControlBlock.control), DriveStatus.idle)
        XCTAssertEqual(machine.inb(port(1) + ControlBlock.control - 1), 0xFF)
        machine.outb(port(0) + CommandBlock.command, Opcode.checkPowerMode)
        machine.controller.write(
            bar: 2, offset: Int(CommandBlock.command), width: 1,
            value: UInt32(Opcode.checkPowerMode))
        XCTAssertEqual(machine.takeChanges(), ["inta+"], "one line for both")
        XCTAssertEqual(
            machine.controller.read(bar: 0, offset: Int(CommandBlock.status), width: 1),
            UInt32(DriveStatus.idle))
        XCTAssertEqual(machine.takeChanges(), [])
        XCTAssertEqual(machine.inb(port(2) + CommandBlock.status), DriveStatus.idle)
        XCTAssertEqual(machine.takeChanges(), ["inta-"])
        let secondStatus = BusMasterRegister.secondChannel + BusMasterRegister.status
        XCTAssertEqual(
            machine.controller.read(bar: 4, offset: Int(secondStatus), width: 1),
            UInt32(BusMasterStatus.interrupt))
    }

    /// A CMD646 with a disk on each channel.
    private func cmd646() throws -> TestMachine {
        let machine = try TestMachine(.one, identity: .cmd646)
        try machine.attach(Self.plainPath(0))
        try machine.attach(Self.plainPath(1), to: .secondaryMaster)
        for bar: UInt16 in 0..<4 { setPort(bar, of: machine) }
        return machine
    }

    func testCMD646() throws {
        let machine = try cmd646()
        XCTAssertEqual(
            machine.controller.readConfiguration(PCIOffset.identity, width: 4), 0x0646_1095)
        XCTAssertEqual(
            machine.controller.readConfiguration(PCIOffset.revision, width: 4), 0x0101_8F07,
            "class code 01018Fh, revision 7")
        XCTAssertEqual(machine.inb(port(0) + CommandBlock.status), DriveStatus.idle)
        XCTAssertEqual(machine.inb(port(2) + CommandBlock.status), DriveStatus.idle)
        XCTAssertEqual(machine.inb(IDEPort.status), 0xFF)
    }

    /// MRDMODE is also where the bus master has nothing.
    func testInterruptsOfTheCMD646() throws {
        let machine = try cmd646()
        let (cfr, arttim23) = (CMD646Register.cfr, CMD646Register.arttim23)
        let mrdmode = CMD646Register.mrdmode
        let mrdmodePort = TestMachine.busMaster + CMD646Register.mrdmodeInBusMaster
        func copies() -> [UInt8] {
            [cfr.offset, arttim23.offset, mrdmode.offset].map {
                UInt8(machine.controller.readConfiguration($0, width: 1))
            } + [machine.inb(mrdmodePort)]
        }
        func write(_ offset: Int, _ value: UInt8) {
            machine.controller.writeConfiguration(offset, width: 1, value: UInt32(value))
        }
        let none: [UInt8] = [0, 0, 0, 0]
        let primary = [
            cfr.primaryInterrupt, 0, mrdmode.primaryInterrupt, mrdmode.primaryInterrupt,
        ]
        let both = [
            cfr.primaryInterrupt, arttim23.secondaryInterrupt,
            mrdmode.primaryInterrupt | mrdmode.secondaryInterrupt,
            mrdmode.primaryInterrupt | mrdmode.secondaryInterrupt,
        ]
        let secondaryBlocked = [
            0, arttim23.secondaryInterrupt,
            mrdmode.secondaryInterrupt | mrdmode.secondaryBlocked,
            mrdmode.secondaryInterrupt | mrdmode.secondaryBlocked,
        ]
        XCTAssertEqual(copies(), none)
        machine.outb(port(0) + CommandBlock.command, Opcode.checkPowerMode)
        XCTAssertEqual(copies(), primary)
        machine.outb(port(2) + CommandBlock.command, Opcode.checkPowerMode)
        XCTAssertEqual(copies(), both)
        XCTAssertEqual(machine.takeChanges(), ["inta+"])
        // Reading status lowers INTRQ, and the copy with it.
        XCTAssertEqual(machine.inb(port(2) + CommandBlock.status), DriveStatus.idle)
        XCTAssertEqual(copies(), primary)
        XCTAssertEqual(machine.takeChanges(), [])
        // Writing 1 clears, here and there, although INTRQ is still high.
        write(cfr.offset, cfr.primaryInterrupt)
        XCTAssertEqual(copies(), none)
        XCTAssertEqual(machine.takeChanges(), ["inta-"])
        machine.outb(port(0) + CommandBlock.command, Opcode.checkPowerMode)
        machine.outb(port(2) + CommandBlock.command, Opcode.checkPowerMode)
        write(arttim23.offset, arttim23.secondaryInterrupt)
        XCTAssertEqual(copies(), primary)
        write(mrdmode.offset, mrdmode.primaryInterrupt)
        XCTAssertEqual(copies(), none)
        XCTAssertEqual(machine.takeChanges(), ["inta+", "inta-"])
        // Bits 4 and 5 keep them from INTA.
        machine.outb(mrdmodePort, mrdmode.secondaryBlocked)
        machine.outb(port(2) + CommandBlock.command, Opcode.checkPowerMode)
        XCTAssertEqual(copies(), secondaryBlocked)
        XCTAssertEqual(machine.takeChanges(), [])
        machine.outb(mrdmodePort, 0)
        XCTAssertEqual(machine.takeChanges(), ["inta+"])
        // What was cleared stays so in a restored controller, without an edge between.
        machine.outb(port(0) + CommandBlock.command, Opcode.checkPowerMode)
        write(mrdmode.offset, mrdmode.secondaryInterrupt)
        XCTAssertEqual(copies(), primary)
        let state = try machine.controller.save()
        try machine.controller.load(state)
        XCTAssertEqual(copies(), primary)
        XCTAssertEqual(machine.takeChanges(), ["inta-", "inta+"])
        XCTAssertEqual(machine.inb(port(0) + CommandBlock.status), DriveStatus.idle)
        XCTAssertEqual(machine.takeChanges(), ["inta-"])
    }
}
