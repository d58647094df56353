import BlockATA
import IDE
import XCTest

/// docs/ide-rules.md, "Task file": SRST, the diagnostic, PCI reset.
final class ResetTests: IDETestCase {
    private func expectSignature(_ m: Machine, line: UInt = #line) {
        XCTAssertEqual(
            [m.error, m.count, m.inb(0x1F3), m.inb(0x1F4), m.inb(0x1F5), m.alternateStatus],
            [1, 1, 1, 0, 0, 0x50], line: line)
    }

    func testSRST() throws {
        try forEachMachine { m in
            m.command28(0xE5, lba: 0x123456, count: 9)
            m.control(4)
            XCTAssertFalse(m.irq, "a pending interrupt goes")
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.controller.poll()
            XCTAssertEqual(m.alternateStatus, 0x80, "as long as the bit is set")
            m.outb(0x1F2, 7)
            m.outb(0x1F7, 0xE5)
            XCTAssertEqual(m.takeChanges(), ["irq14+", "irq14-"])
            m.control(0)
            expectSignature(m)
            XCTAssertEqual(m.takeChanges(), [], "no interrupt")
            XCTAssertEqual(m.bmStatus, 4, "that of the command before")
            m.sample("after SRST")
        }
    }

    func testSRSTOfBothDrivesSelectsTheFirst() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            try m.attach(Self.plainPath(1), to: .primarySlave)
            m.outb(0x1F6, 0xB0)
            m.outb(0x1F7, 0xE5)
            m.control(4)
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.control(0)
            XCTAssertEqual(m.device, 0xA0)
            expectSignature(m)
            m.outb(0x1F6, 0xB0)
            expectSignature(m)
        }
    }

    func testSRSTShowsWhatIsSelectedBusy() throws {
        // No drive 0: the host sees drive 1 busy, and is back at the place of drive 0 then.
        let m = try Machine(.one)
        try m.attach(Self.plainPath(1), to: .primarySlave)
        m.enable()
        m.outb(0x1F6, 0xB0)
        m.control(4)
        XCTAssertEqual(m.alternateStatus, 0x80)
        m.control(0)
        XCTAssertEqual([m.device, m.alternateStatus], [0xA0, 0])
        m.outb(0x1F6, 0xB0)
        expectSignature(m)
        // No drive 1: who looks there looks at drive 0 at once.
        let other = try machine()
        other.outb(0x1F6, 0xB0)
        XCTAssertEqual(other.alternateStatus, 0)
        other.control(4)
        XCTAssertEqual(other.alternateStatus, 0x80)
        other.control(0)
        expectSignature(other)
    }

    func testSRSTWaitsForTheHost() throws {
        try forEachMachine { m in
            let hold = m.faults.add(.init(.hold))
            m.setTable([(Machine.data, 512)])
            m.command28(0xC8, lba: 5, count: 1)
            m.start(toMemory: true)
            XCTAssertTrue(m.controller.isBusy)
            m.control(4)
            m.control(0)
            XCTAssertEqual(m.alternateStatus, 0x80, "memory may still change")
            XCTAssertEqual(m.bmStatus, 0, "ACTIVE is 0 at once")
            m.outb(0x1F7, 0xE5)
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.faults.remove(hold)
            m.faults.release()
            m.settle()
            expectSignature(m)
            XCTAssertEqual(m.takeChanges(), [])
            m.sample("after SRST")
        }
    }

    func testSRSTDropsPiecesNotSubmitted() throws {
        // Eight of them.
        try forEachMachine(over: MachineConfiguration.inPieces) { m in
            let hold = m.faults.add(.init(.hold, count: 1))
            m.setTable([(Machine.data, 4096)])
            m.command28(0xCA, lba: 0, count: 8)
            m.start(toMemory: false)
            m.control(4)
            m.control(0)
            m.faults.remove(hold)
            m.faults.release()
            m.settle()
            expectSignature(m)
            XCTAssertEqual(
                try m.medium(sector: 1, count: 7), Self.content(sector: 1, count: 7), "not written")
        }
    }

    func testSRSTDisarms() throws {
        try forEachMachine { m in
            m.setTable([(Machine.data, 512)])
            m.command28(0xC8, lba: 5, count: 1)
            XCTAssertEqual(m.alternateStatus, 0x58)
            m.control(4)
            m.start(toMemory: true)
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.stop()
            m.control(0)
            m.start(toMemory: true)
            XCTAssertFalse(m.controller.isBusy)
            m.settle()
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), [UInt8](repeating: 0, count: 512))
            XCTAssertEqual(m.takeChanges(), [])
            expectSignature(m)
            m.sample("disarmed")
        }
    }

    func testSRSTWhileDataIsWaiting() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.command28(0x30, lba: 0, count: 1)
            m.writeData([1, 2, 3, 4])
            m.control(4)
            m.control(0)
            expectSignature(m)
            m.writeData([UInt8](repeating: 0xEE, count: 512))
            m.settle()
            XCTAssertEqual(try m.medium(sector: 0, count: 1), Self.content(sector: 0))
        }
    }

    func testDiagnostic() throws {
        try forEachMachine { m in
            m.command28(0x90, lba: 0x123456)
            XCTAssertTrue(m.irq)
            expectSignature(m)
            m.sample("diagnostic")
        }
    }

    func testDiagnosticSelectsTheFirstDriveForReal() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            try m.attach(Self.plainPath(1), to: .primarySlave, DiskOptions(serial: "SLAVE"))
            m.outb(0x1F6, 0xB0)
            m.outb(0x1F7, 0x90)
            XCTAssertEqual(m.device, 0xA0)
            expectSignature(m)
            m.outb(0x1F7, 0xEC)
            let words = m.readData(count: 512)
            XCTAssertEqual(Array(words[20..<22]), Array("IB".utf8), "IDENTIFY answers with BIO…")
            m.outb(0x1F6, 0xB0)
            expectSignature(m)
        }
    }

    func testPCIResetWaitsForTheHost() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let hold = m.faults.add(.init(.hold))
            m.command28(0x20, lba: 5, count: 1)
            m.controller.reset()
            XCTAssertTrue(m.controller.isBusy)
            m.enable()
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.faults.remove(hold)
            m.faults.release()
            m.settle()
            expectSignature(m)
            XCTAssertEqual(m.takeChanges(), [])
        }
    }

    func testPCIResetIsAsPowerOn() throws {
        try forEachMachine { m in
            m.command28(0xC6, count: 4)
            m.command28(0xEF, features: 0x82)
            m.settle()
            m.setTable([(Machine.data, 512)])
            m.start(toMemory: true)
            m.controller.reset()
            m.enable()
            expectSignature(m)
            XCTAssertFalse(m.irq)
            XCTAssertEqual(
                [m.inb(Machine.busMaster), m.bmStatus, m.inb(Machine.busMaster + 5)], [0, 0, 0])
            let words = m.identify()
            XCTAssertEqual(words[59], 0x0110)
            XCTAssertEqual(words[85] & 1 << 5, 1 << 5)
            m.sample("reset")
        }
    }
}
