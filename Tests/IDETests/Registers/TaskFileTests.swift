import IDE
import XCTest

/// docs/ide-rules.md, "Task file".
final class TaskFileTests: IDETestCase {
    func testPowerOnShowsTheSignature() throws {
        try forEachMachine { m in
            m.sample("power-on")
            XCTAssertEqual(
                [m.error, m.count, m.inb(0x1F3), m.inb(0x1F4), m.inb(0x1F5)], [1, 1, 1, 0, 0])
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(m.device, 0xA0)
            XCTAssertEqual(m.takeChanges(), [], "no interrupt")
        }
    }

    func testRegisterWritesReachBothDrives() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            try m.attach(Self.plainPath(1), to: .primarySlave)
            for (index, value) in ([0x12, 0x34, 0x56, 0x78] as [UInt8]).enumerated() {
                m.outb(0x1F2 + UInt16(index), value)
            }
            for device: UInt8 in [0xE0, 0xF0] {
                m.outb(0x1F6, device)
                XCTAssertEqual((2...5).map { m.inb(0x1F0 + $0) }, [0x12, 0x34, 0x56, 0x78])
                XCTAssertEqual(m.device, device)
            }
        }
    }

    func testHighOrderBytes() throws {
        try forEachMachine { m in
            for register: UInt16 in 1...5 {
                m.outb(0x1F0 + register, UInt8(register) * 16)
                m.outb(0x1F0 + register, UInt8(register) * 16 + 1)
            }
            m.sample("registers")
            for register: UInt16 in 2...5 {
                m.outb(0x3F6, 0x80)
                XCTAssertEqual(m.inb(0x1F0 + register), UInt8(register) * 16)
                m.outb(0x3F6, 0)
                XCTAssertEqual(m.inb(0x1F0 + register), UInt8(register) * 16 + 1)
                m.outb(0x3F6, 0x80)
                m.outb(0x1F0 + register, 0)
                XCTAssertEqual(m.inb(0x1F0 + register), 0, "a write ends HOB")
            }
            m.outb(0x3F6, 0x80)
            XCTAssertEqual(m.inb(0x1F1), 0x10)
            m.outb(0x1F6, 0xA0)
            XCTAssertEqual(m.inb(0x1F1), 1, "a write of the device register ends HOB")
            m.outb(0x3F6, 0x80)
            m.outb(0x1F7, 0xE5)
            XCTAssertEqual(m.count, 0xFF, "a write of the command register ends HOB")
        }
    }

    func testDeviceRegisterBitsAlwaysSet() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.outb(0x1F6, 0)
            XCTAssertEqual(m.device, 0xA0)
            m.outb(0x1F6, 0x4F)
            XCTAssertEqual(m.device, 0xEF)
        }
    }

    func testStatusLowersTheInterruptAlternateStatusDoesNot() throws {
        try forEachMachine { m in
            m.command28(0xE5)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.alternateStatus, 0x50)
            XCTAssertTrue(m.irq)
            m.sample("raised")
            XCTAssertTrue(m.irq, "nor does any other register")
            XCTAssertEqual(m.status, 0x50)
            XCTAssertFalse(m.irq)
            m.sample("lowered")
        }
    }

    func testACommandLowersTheInterrupt() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.command28(0xE5)
            XCTAssertEqual(m.takeChanges(), ["irq14+"])
            m.outb(0x1F7, 0xE5)
            XCTAssertEqual(m.takeChanges(), ["irq14-", "irq14+"])
            // Ignored: an absent drive.
            m.outb(0x1F6, 0xF0)
            m.outb(0x1F7, 0xE5)
            XCTAssertEqual(m.takeChanges(), ["irq14-"])
            // Ignored: an occupied drive.
            m.command28(0xEC)
            XCTAssertEqual(m.takeChanges(), ["irq14+"])
            m.outb(0x1F7, 0xE5)
            XCTAssertEqual(m.takeChanges(), ["irq14-"])
            XCTAssertEqual(m.alternateStatus, 0x58)
        }
    }

    func testOccupiedDriveIgnoresRegisters() throws {
        try forEachMachine { m in
            m.command28(0x20, lba: 0x10, count: 1)
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0x58)
            let before = (1...6).map { m.inb(0x1F0 + $0) }
            for register: UInt16 in 1...6 { m.outb(0x1F0 + register, 0x5A) }
            m.outb(0x1F7, 0x30)
            XCTAssertEqual((1...6).map { m.inb(0x1F0 + $0) }, before)
            m.sample("occupied")
            XCTAssertEqual(m.readData(count: 512), Self.content(sector: 0x10))
            XCTAssertEqual(m.status, 0x50)
            m.sample("done")
        }
    }

    func testBusyDriveIgnoresRegistersButNotDeviceControl() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let hold = m.faults.add(.init(.hold))
            m.command28(0x20, lba: 0x10, count: 1)
            XCTAssertEqual(m.alternateStatus, 0xD0)
            m.outb(0x1F2, 0x55)
            m.outb(0x1F6, 0xF0)
            m.outb(0x1F7, 0xE5)
            XCTAssertEqual([m.count, m.device, m.alternateStatus], [1, 0xE0, 0xD0])
            m.control(2)
            m.faults.remove(hold)
            m.faults.release()
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0x58)
            XCTAssertFalse(m.irq, "nIEN was taken")
        }
    }

    func testNoDriveAtAll() throws {
        let m = try Machine()
        for device: UInt8 in [0xA0, 0xB0] {
            m.outb(0x1F6, device)
            for register: UInt16 in 0...7 {
                m.outb(0x1F0 + register, 0x90)
                XCTAssertEqual(m.inb(0x1F0 + register), 0)
            }
            XCTAssertEqual(m.alternateStatus, 0)
        }
        XCTAssertEqual(m.takeChanges(), [])
    }

    func testAbsentSlave() throws {
        try forEachMachine { m in
            m.outb(0x1F6, 0xB0)
            XCTAssertEqual([m.status, m.alternateStatus], [0, 0])
            for command: UInt8 in [0xEC, 0x20, 0x90, 0xC8, 0xFF] {
                m.outb(0x1F7, command)
                XCTAssertFalse(m.controller.isBusy)
                XCTAssertEqual(m.alternateStatus, 0)
            }
            XCTAssertEqual(m.takeChanges(), [])
            XCTAssertEqual(m.device, 0xB0)
            m.sample("absent")
            m.outb(0x1F6, 0xA0)
            XCTAssertEqual(m.status, 0x50)
        }
    }

    /// ATA/ATAPI-6 9.16.1: all but status reads as if device 0 were selected.
    func testMasterAnswersForAnAbsentSlave() throws {
        let m = try machine()
        // READ NATIVE MAX ADDRESS changes the registers of the drive that carries it out.
        m.command28(0xF8)
        let shown = (1...5).map { m.inb(0x1F0 + $0) }
        XCTAssertGreaterThan(shown[2], 0)
        m.outb(0x1F6, 0xF0)
        XCTAssertEqual([m.status, m.alternateStatus], [0, 0])
        XCTAssertEqual((1...5).map { m.inb(0x1F0 + $0) }, shown)
        m.outb(0x1F6, 0xE0)
        m.outb(0x1F7, 0xFF)
        m.outb(0x1F6, 0xF0)
        XCTAssertEqual(m.error, 4)
        for register: UInt16 in 2...5 { m.outb(0x1F0 + register, 0x55) }
        XCTAssertEqual((2...5).map { m.inb(0x1F0 + $0) }, [0x55, 0x55, 0x55, 0x55])
        m.control(0x80)
        XCTAssertEqual(m.inb(0x1F3), shown[2])
    }

    func testAbsentMasterBesideASlave() throws {
        let path = try Self.plainPath(0)
        try compare(
            over: MachineConfiguration.engines,
            with: machines(with: path, in: .primarySlave)
        ) { m in
            XCTAssertEqual([m.status, m.error, m.count], [0, 0, 0])
            m.outb(0x1F7, 0xEC)
            XCTAssertEqual(m.status, 0)
            XCTAssertEqual(m.takeChanges(), [])
            m.outb(0x1F6, 0xB0)
            XCTAssertEqual(m.status, 0x50)
            m.outb(0x1F7, 0xEC)
            XCTAssertEqual(m.takeChanges(), ["irq14+"])
            XCTAssertEqual(m.readData(count: 512).count, 512)
            XCTAssertEqual(m.status, 0x50)
        }
    }

    func testNIENHidesInterruptsForGood() throws {
        try forEachMachine { m in
            m.control(2)
            m.command28(0xE5)
            XCTAssertEqual(m.bmStatus, 0)
            m.control(0)
            XCTAssertEqual(m.bmStatus, 0)
            XCTAssertEqual(m.takeChanges(), [], "not raised later")
            m.sample("hidden")
            m.command28(0xE5)
            XCTAssertEqual(m.bmStatus, 4)
            m.control(2)
            XCTAssertEqual(m.takeChanges(), ["irq14+", "irq14-"], "nIEN lets go of the line")
            m.control(0)
            XCTAssertEqual(m.takeChanges(), ["irq14+"])
            m.sample("shown")
        }
    }

    func testWideAccessesAreBytes() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.controller.writePort(0x1F2, width: 4, value: 0x4433_2211)
            XCTAssertEqual((2...5).map { m.inb(0x1F0 + $0) }, [0x11, 0x22, 0x33, 0x44])
            XCTAssertEqual(m.controller.readPort(0x1F4, width: 2), 0x4433)
            XCTAssertEqual(m.controller.readPort(0x3F6, width: 2), 0xFF50)
            XCTAssertEqual(m.controller.readPort(0x1F2, width: 0), 0)
        }
    }
}
