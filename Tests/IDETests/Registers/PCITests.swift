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
                machine.controller.readConfiguration(0, width: 4), UInt32(device) << 16 | 0x8086)
            XCTAssertEqual(machine.controller.readConfiguration(8, width: 4), 0x0101_8000)
            XCTAssertEqual(machine.controller.readConfiguration(0x0E, width: 1), 0, "header type")
            machine.controller.writeConfiguration(0, width: 4, value: 0)
            XCTAssertEqual(machine.controller.readConfiguration(0, width: 2), 0x8086, "read-only")
            for bar in 0..<4 {
                machine.controller.writeConfiguration(0x10 + 4 * bar, width: 4, value: .max)
                XCTAssertEqual(machine.controller.readConfiguration(0x10 + 4 * bar, width: 4), 0)
            }
        }
    }

    func testBusMasterBARHas16Ports() throws {
        let machine = try TestMachine()
        machine.controller.writeConfiguration(0x20, width: 4, value: .max)
        XCTAssertEqual(machine.controller.readConfiguration(0x20, width: 4), 0xFFFF_FFF1)
        XCTAssertEqual(machine.controller.readPort(0xFFF2, width: 1), 0xFF, "beyond the last port")
        machine.controller.writeConfiguration(0x20, width: 4, value: 0xD000)
        XCTAssertEqual(machine.controller.readPort(0xD002, width: 1), 0)
        XCTAssertEqual(machine.controller.readPort(0xD00A, width: 1), 0)
        XCTAssertEqual(machine.controller.readPort(0xD010, width: 1), 0xFF)
        XCTAssertEqual(machine.controller.readPort(0xC002, width: 1), 0xFF, "where it was before")
        machine.controller.writeConfiguration(0x20, width: 4, value: 0)
        XCTAssertEqual(machine.controller.readPort(2, width: 1), 0xFF, "0 is no place")
    }

    func testTimingRegistersKeepWhatIsWritten() throws {
        for (identity, hasUDMA) in [(IDEIdentity.piix3, false), (.piix4, true)] {
            let machine = try TestMachine(.one, identity: identity)
            try machine.attach(Self.plainPath(0))
            for offset in [0x40, 0x41, 0x42, 0x43, 0x44] {
                machine.controller.writeConfiguration(offset, width: 1, value: 0xA5)
                XCTAssertEqual(machine.controller.readConfiguration(offset, width: 1), 0xA5)
                machine.controller.writeConfiguration(offset, width: 1, value: 0)
                XCTAssertEqual(machine.controller.readConfiguration(offset, width: 1), 0)
            }
            XCTAssertEqual(machine.status, DriveStatus.idle, "IDETIM bit 15 gates nothing")
            machine.controller.writeConfiguration(0x48, width: 4, value: 0xDEAD_BEEF)
            XCTAssertEqual(
                machine.controller.readConfiguration(0x48, width: 4), hasUDMA ? 0xDEAD_BEEF : 0)
        }
    }

    func testIOGate() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.checkPowerMode)
            machine.sample("before")
            machine.enable(4)
            for port: UInt16 in [
                IDEPort.data, IDEPort.count, 0x1F7, 0x3F6, TestMachine.busMaster, 0x170, 0x376,
            ] {
                XCTAssertEqual(machine.controller.readPort(port, width: 1), 0xFF, hex(port))
                XCTAssertEqual(machine.controller.readPort(port, width: 2), 0xFFFF)
                XCTAssertEqual(machine.controller.readPort(port, width: 4), 0xFFFF_FFFF)
            }
            machine.outb(IDEPort.count, 0x12)
            machine.outb(TestMachine.busMaster + 4, 0x10)
            machine.outb(IDEPort.command, Opcode.setFeatures)
            machine.enable(5)
            XCTAssertEqual(machine.count, 0xFF)
            XCTAssertEqual(machine.inb(TestMachine.busMaster + 4), 0)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("after")
        }
    }

    func testBothGatesAreClosedAfterReset() throws {
        let machine = try TestMachine()
        XCTAssertEqual(machine.controller.readConfiguration(4, width: 2), 5)
        machine.controller.reset()
        XCTAssertEqual(machine.controller.readConfiguration(4, width: 2), 0)
        XCTAssertEqual(machine.controller.readConfiguration(0x20, width: 4), 1)
        XCTAssertEqual(machine.inb(IDEPort.status), 0xFF)
        machine.controller.writeConfiguration(4, width: 2, value: 0xFFFF)
        XCTAssertEqual(machine.controller.readConfiguration(4, width: 2), 7, "no other bits")
    }

    /// The function has no memory that bit 1 could switch on, but software asks for it back.
    func testBit1KeepsWhatIsWrittenAndGatesNothing() throws {
        let machine = try TestMachine()
        try machine.attach(Self.plainPath(0))
        for command: UInt32 in [0, 2, 5, 7] {
            machine.controller.writeConfiguration(4, width: 2, value: command)
            XCTAssertEqual(machine.controller.readConfiguration(4, width: 2), command)
            XCTAssertEqual(machine.inb(IDEPort.status), command & 1 == 0 ? 0xFF : 0x50)
        }
        machine.transfer(Opcode.readDMA, lba: 9, count: 1, [(TestMachine.data, 512)])
        XCTAssertEqual(
            [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
        machine.controller.writeConfiguration(4, width: 2, value: 3)
        machine.transfer(Opcode.readDMA, lba: 9, count: 1, [(TestMachine.data, 512)])
        XCTAssertEqual(
            [machine.bmStatus, machine.status, machine.error],
            [BusMasterStatus.interruptAndError, DriveStatus.failed, DriveError.aborted])
        machine.controller.reset()
        XCTAssertEqual(machine.controller.readConfiguration(4, width: 2), 0)
    }

    func testSecondaryChannel() throws {
        let machine = try TestMachine()
        try machine.attach(Self.plainPath(0), to: .secondarySlave)
        XCTAssertEqual(machine.inb(IDEPort.status), 0)
        machine.outb(0x176, 0xB0)
        XCTAssertEqual(machine.inb(0x177), DriveStatus.idle)
        machine.outb(0x177, Opcode.checkPowerMode)
        XCTAssertEqual(machine.levels, [.irq15: true])
        XCTAssertEqual(machine.inb(TestMachine.busMaster + 10), 4)
        XCTAssertEqual(machine.inb(TestMachine.busMaster + 2), 0)
        XCTAssertEqual(machine.inb(0x376), DriveStatus.idle)
        XCTAssertEqual(machine.levels, [.irq15: true])
        XCTAssertEqual(machine.inb(0x177), DriveStatus.idle)
        XCTAssertEqual(machine.levels, [.irq15: false])
    }

    func testNativeMode() throws {
        let machine = try TestMachine(.one, identity: IDEIdentity.piix3.native)
        try machine.attach(Self.plainPath(0))
        try machine.attach(Self.plainPath(1), to: .secondaryMaster)
        XCTAssertEqual(machine.controller.readConfiguration(9, width: 1), 0x8F)
        XCTAssertEqual(machine.controller.readConfiguration(0x3D, width: 1), 1)
        XCTAssertEqual(machine.controller.readConfiguration(0x40, width: 4), 0x8000_8000)
        let sizes: [UInt32] = [0xFFFF_FFF9, 0xFFFF_FFFD, 0xFFFF_FFF9, 0xFFFF_FFFD, 0xFFFF_FFF1]
        for (bar, size) in sizes.enumerated() {
            machine.controller.writeConfiguration(0x10 + 4 * bar, width: 4, value: .max)
            XCTAssertEqual(machine.controller.readConfiguration(0x10 + 4 * bar, width: 4), size)
            machine.controller.writeConfiguration(
                0x10 + 4 * bar, width: 4, value: 0xE000 + 16 * UInt32(bar))
        }
        XCTAssertEqual(machine.inb(IDEPort.status), 0xFF, "nothing at the compatibility ports")
        XCTAssertEqual(machine.inb(0xE007), DriveStatus.idle)
        XCTAssertEqual(machine.inb(0xE012), 0x50)
        XCTAssertEqual(machine.inb(0xE011), 0xFF)
        machine.outb(0xE007, Opcode.checkPowerMode)
        machine.controller.write(bar: 2, offset: 7, width: 1, value: 0xE5)
        XCTAssertEqual(machine.takeChanges(), ["inta+"], "one line for both")
        XCTAssertEqual(machine.controller.read(bar: 0, offset: 7, width: 1), 0x50)
        XCTAssertEqual(machine.takeChanges(), [])
        XCTAssertEqual(machine.inb(0xE027), DriveStatus.idle)
        XCTAssertEqual(machine.takeChanges(), ["inta-"])
        XCTAssertEqual(machine.controller.read(bar: 4, offset: 10, width: 1), 4)
    }

    /// A CMD646 with a disk on each channel, its registers at E000h, E010h and so on.
    private func cmd646() throws -> TestMachine {
        let machine = try TestMachine(.one, identity: .cmd646)
        try machine.attach(Self.plainPath(0))
        try machine.attach(Self.plainPath(1), to: .secondaryMaster)
        for bar in 0..<4 {
            machine.controller.writeConfiguration(
                0x10 + 4 * bar, width: 4, value: 0xE000 + 16 * UInt32(bar))
        }
        return machine
    }

    func testCMD646() throws {
        let machine = try cmd646()
        XCTAssertEqual(machine.controller.readConfiguration(0, width: 4), 0x0646_1095)
        XCTAssertEqual(machine.controller.readConfiguration(8, width: 4), 0x0101_8F07)
        XCTAssertEqual(machine.inb(0xE007), DriveStatus.idle)
        XCTAssertEqual(machine.inb(0xE027), DriveStatus.idle)
        XCTAssertEqual(machine.inb(IDEPort.status), 0xFF)
    }

    /// MRDMODE is also where the bus master has nothing.
    func testInterruptsOfTheCMD646() throws {
        let machine = try cmd646()
        func copies() -> [UInt32] {
            [0x50, 0x57, 0x71].map { machine.controller.readConfiguration($0, width: 1) }
                + [machine.controller.readPort(TestMachine.busMaster + 1, width: 1)]
        }
        XCTAssertEqual(copies(), [0, 0, 0, 0])
        machine.outb(0xE007, Opcode.checkPowerMode)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        machine.outb(0xE027, Opcode.checkPowerMode)
        XCTAssertEqual(copies(), [4, 0x10, 0xC, 0xC])
        XCTAssertEqual(machine.takeChanges(), ["inta+"])
        // Reading status lowers INTRQ, and the copy with it.
        XCTAssertEqual(machine.inb(0xE027), DriveStatus.idle)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        XCTAssertEqual(machine.takeChanges(), [])
        // Writing 1 clears, here and there, although INTRQ is still high.
        machine.controller.writeConfiguration(0x50, width: 1, value: 4)
        XCTAssertEqual(copies(), [0, 0, 0, 0])
        XCTAssertEqual(machine.takeChanges(), ["inta-"])
        machine.outb(0xE007, Opcode.checkPowerMode)
        machine.outb(0xE027, Opcode.checkPowerMode)
        machine.controller.writeConfiguration(0x57, width: 1, value: 0x10)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        machine.controller.writeConfiguration(0x71, width: 1, value: 4)
        XCTAssertEqual(copies(), [0, 0, 0, 0])
        XCTAssertEqual(machine.takeChanges(), ["inta+", "inta-"])
        // Bits 4 and 5 keep them from INTA.
        machine.outb(TestMachine.busMaster + 1, 0x20)
        machine.outb(0xE027, Opcode.checkPowerMode)
        XCTAssertEqual(copies(), [0, 0x10, 0x28, 0x28])
        XCTAssertEqual(machine.takeChanges(), [])
        machine.outb(TestMachine.busMaster + 1, 0)
        XCTAssertEqual(machine.takeChanges(), ["inta+"])
        // What was cleared stays so in a restored controller, without an edge between.
        machine.outb(0xE007, Opcode.checkPowerMode)
        machine.controller.writeConfiguration(0x71, width: 1, value: 8)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        let state = try machine.controller.save()
        try machine.controller.load(state)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        XCTAssertEqual(machine.takeChanges(), ["inta-", "inta+"])
        XCTAssertEqual(machine.inb(0xE007), DriveStatus.idle)
        XCTAssertEqual(machine.takeChanges(), ["inta-"])
    }
}
