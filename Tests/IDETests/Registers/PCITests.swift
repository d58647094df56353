import GuestMemory
import IDE
import XCTest

/// docs/ide-rules.md, "PCI function".
final class PCITests: IDETestCase {
    func testIdentities() throws {
        for (identity, device) in [(IDEIdentity.piix3, 0x7010), (.piix4, 0x7111)] {
            let m = try Machine(.one, identity: identity)
            XCTAssertEqual(
                m.controller.readConfiguration(0, width: 4), UInt32(device) << 16 | 0x8086)
            XCTAssertEqual(m.controller.readConfiguration(8, width: 4), 0x0101_8000)
            XCTAssertEqual(m.controller.readConfiguration(0x0E, width: 1), 0, "header type")
            m.controller.writeConfiguration(0, width: 4, value: 0)
            XCTAssertEqual(m.controller.readConfiguration(0, width: 2), 0x8086, "read-only")
            for bar in 0..<4 {
                m.controller.writeConfiguration(0x10 + 4 * bar, width: 4, value: .max)
                XCTAssertEqual(m.controller.readConfiguration(0x10 + 4 * bar, width: 4), 0)
            }
        }
    }

    func testBusMasterBARHas16Ports() throws {
        let m = try Machine()
        m.controller.writeConfiguration(0x20, width: 4, value: .max)
        XCTAssertEqual(m.controller.readConfiguration(0x20, width: 4), 0xFFFF_FFF1)
        XCTAssertEqual(m.controller.readPort(0xFFF2, width: 1), 0xFF, "beyond the last port")
        m.controller.writeConfiguration(0x20, width: 4, value: 0xD000)
        XCTAssertEqual(m.controller.readPort(0xD002, width: 1), 0)
        XCTAssertEqual(m.controller.readPort(0xD00A, width: 1), 0)
        XCTAssertEqual(m.controller.readPort(0xD010, width: 1), 0xFF)
        XCTAssertEqual(m.controller.readPort(0xC002, width: 1), 0xFF, "where it was before")
        m.controller.writeConfiguration(0x20, width: 4, value: 0)
        XCTAssertEqual(m.controller.readPort(2, width: 1), 0xFF, "0 is no place")
    }

    func testTimingRegistersKeepWhatIsWritten() throws {
        for (identity, hasUDMA) in [(IDEIdentity.piix3, false), (.piix4, true)] {
            let m = try Machine(.one, identity: identity)
            try m.attach(Self.plainPath(0))
            for offset in [0x40, 0x41, 0x42, 0x43, 0x44] {
                m.controller.writeConfiguration(offset, width: 1, value: 0xA5)
                XCTAssertEqual(m.controller.readConfiguration(offset, width: 1), 0xA5)
                m.controller.writeConfiguration(offset, width: 1, value: 0)
                XCTAssertEqual(m.controller.readConfiguration(offset, width: 1), 0)
            }
            XCTAssertEqual(m.status, 0x50, "IDETIM bit 15 gates nothing")
            m.controller.writeConfiguration(0x48, width: 4, value: 0xDEAD_BEEF)
            XCTAssertEqual(
                m.controller.readConfiguration(0x48, width: 4), hasUDMA ? 0xDEAD_BEEF : 0)
        }
    }

    func testIOGate() throws {
        try forEachMachine { m in
            m.command28(0xE5)
            m.sample("before")
            m.enable(4)
            for port: UInt16 in [0x1F0, 0x1F2, 0x1F7, 0x3F6, Machine.busMaster, 0x170, 0x376] {
                XCTAssertEqual(m.controller.readPort(port, width: 1), 0xFF, hex(port))
                XCTAssertEqual(m.controller.readPort(port, width: 2), 0xFFFF)
                XCTAssertEqual(m.controller.readPort(port, width: 4), 0xFFFF_FFFF)
            }
            m.outb(0x1F2, 0x12)
            m.outb(Machine.busMaster + 4, 0x10)
            m.outb(0x1F7, 0xEF)
            m.enable(5)
            XCTAssertEqual(m.count, 0xFF)
            XCTAssertEqual(m.inb(Machine.busMaster + 4), 0)
            XCTAssertEqual(m.status, 0x50)
            m.sample("after")
        }
    }

    func testBothGatesAreClosedAfterReset() throws {
        let m = try Machine()
        XCTAssertEqual(m.controller.readConfiguration(4, width: 2), 5)
        m.controller.reset()
        XCTAssertEqual(m.controller.readConfiguration(4, width: 2), 0)
        XCTAssertEqual(m.controller.readConfiguration(0x20, width: 4), 1)
        XCTAssertEqual(m.inb(0x1F7), 0xFF)
        m.controller.writeConfiguration(4, width: 2, value: 0xFFFF)
        XCTAssertEqual(m.controller.readConfiguration(4, width: 2), 7, "no other bits")
    }

    /// The function has no memory that bit 1 could switch on, but software asks for it back.
    func testBit1KeepsWhatIsWrittenAndGatesNothing() throws {
        let m = try Machine()
        try m.attach(Self.plainPath(0))
        for command: UInt32 in [0, 2, 5, 7] {
            m.controller.writeConfiguration(4, width: 2, value: command)
            XCTAssertEqual(m.controller.readConfiguration(4, width: 2), command)
            XCTAssertEqual(m.inb(0x1F7), command & 1 == 0 ? 0xFF : 0x50)
        }
        m.transfer(0xC8, lba: 9, count: 1, [(Machine.data, 512)])
        XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
        m.controller.writeConfiguration(4, width: 2, value: 3)
        m.transfer(0xC8, lba: 9, count: 1, [(Machine.data, 512)])
        XCTAssertEqual([m.bmStatus, m.status, m.error], [6, 0x41, 4])
        m.controller.reset()
        XCTAssertEqual(m.controller.readConfiguration(4, width: 2), 0)
    }

    func testSecondaryChannel() throws {
        let m = try Machine()
        try m.attach(Self.plainPath(0), to: .secondarySlave)
        XCTAssertEqual(m.inb(0x1F7), 0)
        m.outb(0x176, 0xB0)
        XCTAssertEqual(m.inb(0x177), 0x50)
        m.outb(0x177, 0xE5)
        XCTAssertEqual(m.levels, [.irq15: true])
        XCTAssertEqual(m.inb(Machine.busMaster + 10), 4)
        XCTAssertEqual(m.inb(Machine.busMaster + 2), 0)
        XCTAssertEqual(m.inb(0x376), 0x50)
        XCTAssertEqual(m.levels, [.irq15: true])
        XCTAssertEqual(m.inb(0x177), 0x50)
        XCTAssertEqual(m.levels, [.irq15: false])
    }

    func testNativeMode() throws {
        let m = try Machine(.one, identity: IDEIdentity.piix3.native)
        try m.attach(Self.plainPath(0))
        try m.attach(Self.plainPath(1), to: .secondaryMaster)
        XCTAssertEqual(m.controller.readConfiguration(9, width: 1), 0x8F)
        XCTAssertEqual(m.controller.readConfiguration(0x3D, width: 1), 1)
        XCTAssertEqual(m.controller.readConfiguration(0x40, width: 4), 0x8000_8000)
        let sizes: [UInt32] = [0xFFFF_FFF9, 0xFFFF_FFFD, 0xFFFF_FFF9, 0xFFFF_FFFD, 0xFFFF_FFF1]
        for (bar, size) in sizes.enumerated() {
            m.controller.writeConfiguration(0x10 + 4 * bar, width: 4, value: .max)
            XCTAssertEqual(m.controller.readConfiguration(0x10 + 4 * bar, width: 4), size)
            m.controller.writeConfiguration(
                0x10 + 4 * bar, width: 4, value: 0xE000 + 16 * UInt32(bar))
        }
        XCTAssertEqual(m.inb(0x1F7), 0xFF, "nothing at the compatibility ports")
        XCTAssertEqual(m.inb(0xE007), 0x50)
        XCTAssertEqual(m.inb(0xE012), 0x50)
        XCTAssertEqual(m.inb(0xE011), 0xFF)
        m.outb(0xE007, 0xE5)
        m.controller.write(bar: 2, offset: 7, width: 1, value: 0xE5)
        XCTAssertEqual(m.takeChanges(), ["inta+"], "one line for both")
        XCTAssertEqual(m.controller.read(bar: 0, offset: 7, width: 1), 0x50)
        XCTAssertEqual(m.takeChanges(), [])
        XCTAssertEqual(m.inb(0xE027), 0x50)
        XCTAssertEqual(m.takeChanges(), ["inta-"])
        XCTAssertEqual(m.controller.read(bar: 4, offset: 10, width: 1), 4)
    }

    /// A CMD646 with a disk on each channel, its registers at E000h, E010h and so on.
    private func cmd646() throws -> Machine {
        let m = try Machine(.one, identity: .cmd646)
        try m.attach(Self.plainPath(0))
        try m.attach(Self.plainPath(1), to: .secondaryMaster)
        for bar in 0..<4 {
            m.controller.writeConfiguration(
                0x10 + 4 * bar, width: 4, value: 0xE000 + 16 * UInt32(bar))
        }
        return m
    }

    func testCMD646() throws {
        let m = try cmd646()
        XCTAssertEqual(m.controller.readConfiguration(0, width: 4), 0x0646_1095)
        XCTAssertEqual(m.controller.readConfiguration(8, width: 4), 0x0101_8F07)
        XCTAssertEqual(m.inb(0xE007), 0x50)
        XCTAssertEqual(m.inb(0xE027), 0x50)
        XCTAssertEqual(m.inb(0x1F7), 0xFF)
    }

    /// MRDMODE is also where the bus master has nothing.
    func testInterruptsOfTheCMD646() throws {
        let m = try cmd646()
        func copies() -> [UInt32] {
            [0x50, 0x57, 0x71].map { m.controller.readConfiguration($0, width: 1) }
                + [m.controller.readPort(Machine.busMaster + 1, width: 1)]
        }
        XCTAssertEqual(copies(), [0, 0, 0, 0])
        m.outb(0xE007, 0xE5)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        m.outb(0xE027, 0xE5)
        XCTAssertEqual(copies(), [4, 0x10, 0xC, 0xC])
        XCTAssertEqual(m.takeChanges(), ["inta+"])
        // Reading status lowers INTRQ, and the copy with it.
        XCTAssertEqual(m.inb(0xE027), 0x50)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        XCTAssertEqual(m.takeChanges(), [])
        // Writing 1 clears, here and there, although INTRQ is still high.
        m.controller.writeConfiguration(0x50, width: 1, value: 4)
        XCTAssertEqual(copies(), [0, 0, 0, 0])
        XCTAssertEqual(m.takeChanges(), ["inta-"])
        m.outb(0xE007, 0xE5)
        m.outb(0xE027, 0xE5)
        m.controller.writeConfiguration(0x57, width: 1, value: 0x10)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        m.controller.writeConfiguration(0x71, width: 1, value: 4)
        XCTAssertEqual(copies(), [0, 0, 0, 0])
        XCTAssertEqual(m.takeChanges(), ["inta+", "inta-"])
        // Bits 4 and 5 keep them from INTA.
        m.outb(Machine.busMaster + 1, 0x20)
        m.outb(0xE027, 0xE5)
        XCTAssertEqual(copies(), [0, 0x10, 0x28, 0x28])
        XCTAssertEqual(m.takeChanges(), [])
        m.outb(Machine.busMaster + 1, 0)
        XCTAssertEqual(m.takeChanges(), ["inta+"])
        // What was cleared stays so in a restored controller, without an edge between.
        m.outb(0xE007, 0xE5)
        m.controller.writeConfiguration(0x71, width: 1, value: 8)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        let state = try m.controller.save()
        try m.controller.load(state)
        XCTAssertEqual(copies(), [4, 0, 4, 4])
        XCTAssertEqual(m.takeChanges(), ["inta-", "inta+"])
        XCTAssertEqual(m.inb(0xE007), 0x50)
        XCTAssertEqual(m.takeChanges(), ["inta-"])
    }
}
