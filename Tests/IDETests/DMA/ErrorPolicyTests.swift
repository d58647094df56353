import BlockATA
import BlockDMA
import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": host I/O errors.
final class ErrorPolicyTests: IDETestCase {
    func testReportOfDMA() throws {
        try forEachMachine(DiskOptions(writeErrorPolicy: .report)) { machine in
            for (opcode, error) in [
                (Opcode.readDMA, DriveError.uncorrectable), (Opcode.writeDMA, DriveError.aborted),
            ]
                as [(UInt8, UInt8)]
            {
                machine.faults.add(
                    .init(
                        .error(EIO), operations: [opcode == Opcode.readDMA ? .read : .write],
                        count: 1))
                machine.transfer(opcode, lba: 40, count: 8, [(TestMachine.data, 4096)])
                machine.sample(hex(opcode))
                XCTAssertEqual(
                    machine.bmStatus, BusMasterStatus.interrupt,
                    "the ERROR bit is for memory faults")
                XCTAssertTrue(machine.irq)
                XCTAssertEqual([machine.status, machine.error], [DriveStatus.failed, error])
                XCTAssertEqual(
                    [machine.count, machine.inb(IDEPort.lbaLow)], [8, 40],
                    "the first sector not transferred")
            }
            XCTAssertEqual(machine.events.map(\.action), [.report, .report])
            XCTAssertEqual(machine.events.map(\.operation), [.read, .write])
            XCTAssertEqual(machine.events.map(\.errno), [EIO, EIO])
            XCTAssertEqual(machine.events.map(\.slot), [.primaryMaster, .primaryMaster])
        }
    }

    /// Pieces of 512 bytes: the third fails.
    func testTheFirstSectorNotTransferredIsNamed() throws {
        try forEachMachine(
            DiskOptions(writeErrorPolicy: .report), over: MachineConfiguration.inPieces
        ) { machine in
            for (opcode, error) in [
                (Opcode.readDMA, DriveError.uncorrectable), (Opcode.writeDMA, DriveError.aborted),
            ]
                as [(UInt8, UInt8)]
            {
                machine.faults.add(
                    .init(
                        .error(EIO), operations: [opcode == Opcode.readDMA ? .read : .write],
                        after: 2,
                        count: 1))
                machine.transfer(opcode, lba: 40, count: 8, [(TestMachine.data, 4096)])
                XCTAssertEqual(
                    [machine.bmStatus, machine.status, machine.error],
                    [BusMasterStatus.interrupt, DriveStatus.failed, error])
                XCTAssertEqual([machine.count, machine.inb(IDEPort.lbaLow)], [6, 42])
            }
        }
    }

    /// EFAULT: the host could not reach the guest's memory, whatever the policy for the medium.
    func testMemoryThatIsGone() throws {
        for policy in ErrorPolicy.allCases {
            let machine = try machine(
                .one, DiskOptions(readErrorPolicy: policy, writeErrorPolicy: policy))
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.faults.add(.init(.error(EFAULT), count: 1))
                machine.transfer(opcode, lba: 40, count: 8, [(TestMachine.data, 4096)])
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(
                    [machine.bmStatus, machine.status, machine.error],
                    [BusMasterStatus.interruptAndError, DriveStatus.failed, DriveError.aborted])
                XCTAssertEqual([machine.count, machine.inb(IDEPort.lbaLow)], [8, 40])
                machine.transfer(opcode, lba: 40, count: 8, [(TestMachine.data, 4096)])
                XCTAssertEqual(
                    [machine.bmStatus, machine.status],
                    [BusMasterStatus.interrupt, DriveStatus.idle])
            }
            XCTAssertEqual(machine.events.count, 0)
        }
    }

    func testReportOfPIO() throws {
        try forEachMachine(DiskOptions(writeErrorPolicy: .report)) { machine in
            machine.faults.add(.init(.error(EIO), operations: [.read], after: 1, count: 1))
            machine.command28(Opcode.readSectors, lba: 40, count: 3)
            machine.settle()
            _ = machine.readData(count: 512)
            machine.settle()
            machine.sample("read")
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.uncorrectable])
            XCTAssertEqual([machine.count, machine.inb(IDEPort.lbaLow)], [2, 41])
            machine.faults.add(.init(.error(ENOSPC), operations: [.write], count: 1))
            machine.command28(Opcode.writeSectors, lba: 40, count: 3)
            machine.writeData([UInt8](repeating: 0, count: 512))
            machine.settle()
            machine.sample("write")
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            XCTAssertEqual([machine.count, machine.inb(IDEPort.lbaLow)], [3, 40])
        }
    }

    func testIgnore() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .ignore, writeErrorPolicy: .ignore)) {
            machine in
            // What it leaves behind must not be seen.
            machine.command28(Opcode.readSectors, lba: 39, count: 1)
            machine.settle()
            _ = machine.readData(count: 512)
            machine.faults.add(.init(.error(EIO), count: 4))
            machine.command28(Opcode.readSectors, lba: 40, count: 1)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            XCTAssertEqual(machine.readData(count: 512), [UInt8](repeating: 0, count: 512))
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.command28(Opcode.flushCache)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.transfer(Opcode.readDMA, lba: 40, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.sample("read")
            machine.transfer(Opcode.writeDMA, lba: 40, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.sample("write")
            XCTAssertEqual(machine.events.map(\.action), [.ignore, .ignore, .ignore, .ignore])
        }
    }

    func testStopAndResume() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) {
            machine in
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.faults.add(.init(.error(EIO), operations: [.read, .write], count: 2))
                machine.write([UInt8](repeating: 0x31, count: 4096), at: TestMachine.data)
                machine.transfer(opcode, lba: 40, count: 8, [(TestMachine.data, 4096)])
                XCTAssertEqual(machine.events.map(\.action), [.stop])
                XCTAssertFalse(machine.irq)
                XCTAssertEqual(
                    [machine.bmStatus, machine.alternateStatus],
                    [BusMasterStatus.active, DriveStatus.working])
                machine.sample("kept \(hex(opcode))")
                // The table was read once.
                machine.setTable([(0x8000_0000, 4096)])
                machine.controller.resume()
                machine.settle()
                XCTAssertEqual(machine.events.map(\.action), [.stop, .stop], "fails once more")
                machine.controller.resume()
                machine.settle()
                machine.sample(
                    "done \(hex(opcode))", machine.bytes(at: TestMachine.data, count: 4096))
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(
                    [machine.bmStatus, machine.status],
                    [BusMasterStatus.interrupt, DriveStatus.idle])
                machine.events = []
            }
            XCTAssertEqual(
                try machine.medium(sector: 40, count: 8), [UInt8](repeating: 0x31, count: 4096))
        }
    }

    /// That the guest has taken one command back says nothing about the next.
    func testStopAfterACommandThatWasTakenBack() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop)) { machine in
            machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            machine.transfer(Opcode.readDMA, lba: 40, count: 8, [(TestMachine.data, 4096)])
            XCTAssertEqual(machine.events.map(\.action), [.stop])
            machine.stop()
            XCTAssertEqual(machine.status, DriveStatus.failed)
            machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            machine.command28(Opcode.readSectors, lba: 40, count: 1)
            machine.settle()
            XCTAssertEqual(machine.events.map(\.action), [.stop, .stop])
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            XCTAssertEqual(machine.readData(count: 512), Self.content(sector: 40))
            machine.events = []
        }
    }

    /// What runs again begins again: not while bus mastering is off.
    func testResumeWithBusMasteringOff() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) {
            machine in
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.faults.add(.init(.error(EIO), operations: [.read, .write], count: 1))
                machine.write([UInt8](repeating: 0x31, count: 4096), at: TestMachine.data)
                machine.transfer(opcode, lba: 40, count: 8, [(TestMachine.data, 4096)])
                XCTAssertEqual(
                    [machine.bmStatus, machine.alternateStatus],
                    [BusMasterStatus.active, DriveStatus.working])
                machine.enable(PCICommandBits.io)
                machine.controller.resume()
                machine.settle()
                machine.sample(
                    "off \(hex(opcode))", machine.bytes(at: TestMachine.data, count: 4096))
                XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
                XCTAssertEqual(
                    machine.bytes(at: TestMachine.data, count: 4096),
                    [UInt8](repeating: 0x31, count: 4096))
                machine.enable()
            }
            XCTAssertEqual(
                try machine.medium(sector: 40, count: 8), Self.content(sector: 40, count: 8))
        }
    }

    func testStopAndResumeOfPIO() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) {
            machine in
            machine.faults.add(.init(.error(EIO), count: 1))
            machine.command28(Opcode.readSectors, lba: 40, count: 1)
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.readData(count: 512), Self.content(sector: 40))
            machine.faults.add(.init(.error(EIO), count: 1))
            machine.command28(Opcode.readVerify, lba: 40, count: 200)
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.command28(Opcode.writeSectors, lba: 40, count: 1)
            machine.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            machine.writeData([UInt8](repeating: 0x77, count: 512))
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(
                try machine.medium(sector: 40, count: 1), [UInt8](repeating: 0x77, count: 512))
            XCTAssertEqual(machine.events.map(\.operation), [.read, .read, .write])
            machine.sample("done")
        }
    }

    /// By which nothing was lost: what the kernel has failed to make stable no later flush does.
    func testStopAndResumeOfFlush() throws {
        try forEachMachine(
            DiskOptions(writeErrorPolicy: .stop), over: MachineConfiguration.engines
        ) { machine in
            machine.faults.add(.init(.transientError(EIO), count: 1))
            machine.command28(Opcode.flushCache)
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            XCTAssertEqual(machine.events.map(\.operation), [.flush])
            machine.controller.resume()
            machine.settle()
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    func testNoSpaceStopsByDefault() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.faults.add(.init(.error(ENOSPC), operations: [.write], count: 1))
            machine.transfer(Opcode.writeDMA, lba: 40, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(machine.events.map(\.action), [.stop])
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            machine.transfer(Opcode.writeDMA, lba: 40, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(machine.events.map(\.action), [.stop, .report])
            XCTAssertEqual(machine.status, DriveStatus.failed)
            machine.faults.add(.init(.error(ENOSPC), operations: [.read], count: 1))
            machine.transfer(Opcode.readDMA, lba: 40, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(machine.events.map(\.action), [.stop, .report, .report], "reads report")
        }
    }

    /// That a guest has taken a transfer back says nothing about its next command.
    func testACommandAfterAStopIsKeptToo() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines)
        { machine in
            let held = machine.faults.add(.init(.hold, operations: [.read]))
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.readDMA, lba: 40, count: 1)
            machine.start(toMemory: true)
            machine.stop()
            machine.faults.remove(held)
            machine.faults.release()
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.faults.add(.init(.error(EIO), count: 1))
            machine.command28(Opcode.readSectors, lba: 40, count: 1)
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            XCTAssertEqual(machine.events.map(\.action), [.stop])
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.readData(count: 512), Self.content(sector: 40))
        }
    }

    func testWhatIsKeptEndsWithAResetOrAStop() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines)
        { machine in
            machine.faults.add(.init(.error(EIO), count: 1))
            machine.transfer(Opcode.readDMA, lba: 40, count: 1, [(TestMachine.data, 512)])
            machine.control(DeviceControlBits.softwareReset)
            machine.control(0)
            XCTAssertEqual([machine.alternateStatus, machine.bmStatus], [DriveStatus.idle, 0])
            machine.controller.resume()
            XCTAssertFalse(machine.controller.isBusy)
            machine.faults.add(.init(.error(EIO), count: 1))
            machine.transfer(Opcode.readDMA, lba: 40, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            machine.stop()
            XCTAssertEqual(
                [machine.bmStatus, machine.status, machine.error],
                [BusMasterStatus.interrupt, DriveStatus.failed, DriveError.aborted])
            machine.controller.resume()
            XCTAssertFalse(machine.controller.isBusy)
        }
    }
}
