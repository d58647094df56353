import BlockATA
import BlockDMA
import BlockIO
import IDE
import XCTest

/// docs/ide-rules.md, "Bus master": host I/O errors.
final class ErrorPolicyTests: IDETestCase {
    func testReportOfDMA() throws {
        try forEachMachine(DiskOptions(writeErrorPolicy: .report)) { m in
            for (opcode, error) in [(0xC8, 0x40), (0xCA, 0x04)] as [(UInt8, UInt8)] {
                m.faults.add(
                    .init(.error(EIO), operations: [opcode == 0xC8 ? .read : .write], count: 1))
                m.transfer(opcode, lba: 40, count: 8, [(Machine.data, 4096)])
                m.sample(hex(opcode))
                XCTAssertEqual(m.bmStatus, 4, "the ERROR bit is for memory faults")
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.status, m.error], [0x41, error])
                XCTAssertEqual(
                    [m.count, m.inb(0x1F3)], [8, 40], "the first sector not transferred")
            }
            XCTAssertEqual(m.events.map(\.action), [.report, .report])
            XCTAssertEqual(m.events.map(\.operation), [.read, .write])
            XCTAssertEqual(m.events.map(\.errno), [EIO, EIO])
            XCTAssertEqual(m.events.map(\.slot), [.primaryMaster, .primaryMaster])
        }
    }

    /// Pieces of 512 bytes: the third fails.
    func testTheFirstSectorNotTransferredIsNamed() throws {
        try forEachMachine(
            DiskOptions(writeErrorPolicy: .report), over: MachineConfiguration.inPieces
        ) { m in
            for (opcode, error) in [(0xC8, 0x40), (0xCA, 0x04)] as [(UInt8, UInt8)] {
                m.faults.add(
                    .init(
                        .error(EIO), operations: [opcode == 0xC8 ? .read : .write], after: 2,
                        count: 1))
                m.transfer(opcode, lba: 40, count: 8, [(Machine.data, 4096)])
                XCTAssertEqual([m.bmStatus, m.status, m.error], [4, 0x41, error])
                XCTAssertEqual([m.count, m.inb(0x1F3)], [6, 42])
            }
        }
    }

    /// EFAULT: the host could not reach the guest's memory, whatever the policy for the medium.
    func testMemoryThatIsGone() throws {
        for policy in ErrorPolicy.allCases {
            let m = try machine(
                .one, DiskOptions(readErrorPolicy: policy, writeErrorPolicy: policy))
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.faults.add(.init(.error(EFAULT), count: 1))
                m.transfer(opcode, lba: 40, count: 8, [(Machine.data, 4096)])
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.bmStatus, m.status, m.error], [6, 0x41, 0x04])
                XCTAssertEqual([m.count, m.inb(0x1F3)], [8, 40])
                m.transfer(opcode, lba: 40, count: 8, [(Machine.data, 4096)])
                XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            }
            XCTAssertEqual(m.events.count, 0)
        }
    }

    func testReportOfPIO() throws {
        try forEachMachine(DiskOptions(writeErrorPolicy: .report)) { m in
            m.faults.add(.init(.error(EIO), operations: [.read], after: 1, count: 1))
            m.command28(0x20, lba: 40, count: 3)
            m.settle()
            _ = m.readData(count: 512)
            m.settle()
            m.sample("read")
            XCTAssertTrue(m.irq)
            XCTAssertEqual([m.status, m.error], [0x41, 0x40])
            XCTAssertEqual([m.count, m.inb(0x1F3)], [2, 41])
            m.faults.add(.init(.error(ENOSPC), operations: [.write], count: 1))
            m.command28(0x30, lba: 40, count: 3)
            m.writeData([UInt8](repeating: 0, count: 512))
            m.settle()
            m.sample("write")
            XCTAssertEqual([m.status, m.error], [0x41, 0x04])
            XCTAssertEqual([m.count, m.inb(0x1F3)], [3, 40])
        }
    }

    func testIgnore() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .ignore, writeErrorPolicy: .ignore)) { m in
            // What it leaves behind must not be seen.
            m.command28(0x20, lba: 39, count: 1)
            m.settle()
            _ = m.readData(count: 512)
            m.faults.add(.init(.error(EIO), count: 4))
            m.command28(0x20, lba: 40, count: 1)
            m.settle()
            XCTAssertEqual(m.status, 0x58)
            XCTAssertEqual(m.readData(count: 512), [UInt8](repeating: 0, count: 512))
            XCTAssertEqual(m.status, 0x50)
            m.command28(0xE7)
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            m.transfer(0xC8, lba: 40, count: 1, [(Machine.data, 512)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.sample("read")
            m.transfer(0xCA, lba: 40, count: 1, [(Machine.data, 512)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.sample("write")
            XCTAssertEqual(m.events.map(\.action), [.ignore, .ignore, .ignore, .ignore])
        }
    }

    func testStopAndResume() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) { m in
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.faults.add(.init(.error(EIO), operations: [.read, .write], count: 2))
                m.write([UInt8](repeating: 0x31, count: 4096), at: Machine.data)
                m.transfer(opcode, lba: 40, count: 8, [(Machine.data, 4096)])
                XCTAssertEqual(m.events.map(\.action), [.stop])
                XCTAssertFalse(m.irq)
                XCTAssertEqual([m.bmStatus, m.alternateStatus], [1, 0xD0])
                m.sample("kept \(hex(opcode))")
                // The table was read once.
                m.setTable([(0x8000_0000, 4096)])
                m.controller.resume()
                m.settle()
                XCTAssertEqual(m.events.map(\.action), [.stop, .stop], "fails once more")
                m.controller.resume()
                m.settle()
                m.sample("done \(hex(opcode))", m.bytes(at: Machine.data, count: 4096))
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
                m.events = []
            }
            XCTAssertEqual(
                try m.medium(sector: 40, count: 8), [UInt8](repeating: 0x31, count: 4096))
        }
    }

    /// That the guest has taken one command back says nothing about the next.
    func testStopAfterACommandThatWasTakenBack() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop)) { m in
            m.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            m.transfer(0xC8, lba: 40, count: 8, [(Machine.data, 4096)])
            XCTAssertEqual(m.events.map(\.action), [.stop])
            m.stop()
            XCTAssertEqual(m.status, 0x41)
            m.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            m.command28(0x20, lba: 40, count: 1)
            m.settle()
            XCTAssertEqual(m.events.map(\.action), [.stop, .stop])
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.status, 0x58)
            XCTAssertEqual(m.readData(count: 512), Self.content(sector: 40))
            m.events = []
        }
    }

    /// What runs again begins again: not while bus mastering is off.
    func testResumeWithBusMasteringOff() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) { m in
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.faults.add(.init(.error(EIO), operations: [.read, .write], count: 1))
                m.write([UInt8](repeating: 0x31, count: 4096), at: Machine.data)
                m.transfer(opcode, lba: 40, count: 8, [(Machine.data, 4096)])
                XCTAssertEqual([m.bmStatus, m.alternateStatus], [1, 0xD0])
                m.enable(1)
                m.controller.resume()
                m.settle()
                m.sample("off \(hex(opcode))", m.bytes(at: Machine.data, count: 4096))
                XCTAssertEqual(m.bmStatus, 6)
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.status, m.error], [0x41, 4])
                XCTAssertEqual(
                    m.bytes(at: Machine.data, count: 4096), [UInt8](repeating: 0x31, count: 4096))
                m.enable()
            }
            XCTAssertEqual(try m.medium(sector: 40, count: 8), Self.content(sector: 40, count: 8))
        }
    }

    func testStopAndResumeOfPIO() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) { m in
            m.faults.add(.init(.error(EIO), count: 1))
            m.command28(0x20, lba: 40, count: 1)
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0xD0)
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.readData(count: 512), Self.content(sector: 40))
            m.faults.add(.init(.error(EIO), count: 1))
            m.command28(0x40, lba: 40, count: 200)
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0xD0)
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            m.command28(0x30, lba: 40, count: 1)
            m.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            m.writeData([UInt8](repeating: 0x77, count: 512))
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0xD0)
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(try m.medium(sector: 40, count: 1), [UInt8](repeating: 0x77, count: 512))
            XCTAssertEqual(m.events.map(\.operation), [.read, .read, .write])
            m.sample("done")
        }
    }

    /// By which nothing was lost: what the kernel has failed to make stable no later flush does.
    func testStopAndResumeOfFlush() throws {
        try forEachMachine(
            DiskOptions(writeErrorPolicy: .stop), over: MachineConfiguration.engines
        ) { m in
            m.faults.add(.init(.transientError(EIO), count: 1))
            m.command28(0xE7)
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0xD0)
            XCTAssertEqual(m.events.map(\.operation), [.flush])
            m.controller.resume()
            m.settle()
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.status, 0x50)
        }
    }

    func testNoSpaceStopsByDefault() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.faults.add(.init(.error(ENOSPC), operations: [.write], count: 1))
            m.transfer(0xCA, lba: 40, count: 1, [(Machine.data, 512)])
            XCTAssertEqual(m.events.map(\.action), [.stop])
            m.controller.resume()
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            m.transfer(0xCA, lba: 40, count: 1, [(Machine.data, 512)])
            XCTAssertEqual(m.events.map(\.action), [.stop, .report])
            XCTAssertEqual(m.status, 0x41)
            m.faults.add(.init(.error(ENOSPC), operations: [.read], count: 1))
            m.transfer(0xC8, lba: 40, count: 1, [(Machine.data, 512)])
            XCTAssertEqual(m.events.map(\.action), [.stop, .report, .report], "reads report")
        }
    }

    /// That a guest has taken a transfer back says nothing about its next command.
    func testACommandAfterAStopIsKeptToo() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines)
        { m in
            let held = m.faults.add(.init(.hold, operations: [.read]))
            m.setTable([(Machine.data, 512)])
            m.command28(0xC8, lba: 40, count: 1)
            m.start(toMemory: true)
            m.stop()
            m.faults.remove(held)
            m.faults.release()
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            m.faults.add(.init(.error(EIO), count: 1))
            m.command28(0x20, lba: 40, count: 1)
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0xD0)
            XCTAssertEqual(m.events.map(\.action), [.stop])
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.readData(count: 512), Self.content(sector: 40))
        }
    }

    func testWhatIsKeptEndsWithAResetOrAStop() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines)
        { m in
            m.faults.add(.init(.error(EIO), count: 1))
            m.transfer(0xC8, lba: 40, count: 1, [(Machine.data, 512)])
            m.control(4)
            m.control(0)
            XCTAssertEqual([m.alternateStatus, m.bmStatus], [0x50, 0])
            m.controller.resume()
            XCTAssertFalse(m.controller.isBusy)
            m.faults.add(.init(.error(EIO), count: 1))
            m.transfer(0xC8, lba: 40, count: 1, [(Machine.data, 512)])
            XCTAssertEqual(m.alternateStatus, 0xD0)
            m.stop()
            XCTAssertEqual([m.bmStatus, m.status, m.error], [4, 0x41, 4])
            m.controller.resume()
            XCTAssertFalse(m.controller.isBusy)
        }
    }
}
