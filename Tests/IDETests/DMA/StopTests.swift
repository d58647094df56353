import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": stopping a transfer that is under way.
final class StopTests: IDETestCase {
    /// A disk whose requests are held from now on.
    private func hold(_ machine: TestMachine, count: Int = .max) -> () -> Void {
        let rule = machine.faults.add(
            .init(.hold, operations: [.read, .write, .discard], count: count))
        return {
            machine.faults.remove(rule)
            machine.faults.release()
            machine.settle()
        }
    }

    func testARunningRequestEndsAsUsual() throws {
        try forEachMachine { machine in
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.write([UInt8](repeating: opcode, count: 512), at: TestMachine.data)
                let release = hold(machine)
                machine.stop()
                machine.clearBusMasterStatus()
                machine.setTable([(TestMachine.data, 512)])
                machine.command28(opcode, lba: 5, count: 1)
                machine.start(toMemory: opcode == Opcode.readDMA)
                XCTAssertEqual(
                    [machine.bmStatus, machine.alternateStatus],
                    [BusMasterStatus.active, DriveStatus.working])
                machine.stop()
                XCTAssertEqual(machine.bmStatus, 0, "ACTIVE is 0 at once")
                XCTAssertEqual(
                    machine.alternateStatus, DriveStatus.working, "until the request has ended")
                XCTAssertTrue(machine.controller.isBusy)
                machine.sample("stopped \(hex(opcode))")
                release()
                machine.sample(
                    "ended \(hex(opcode))", machine.bytes(at: TestMachine.data, count: 512))
                XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual([machine.count, machine.inb(IDEPort.lbaLow)], [0, 6])
            }
            XCTAssertEqual(
                try machine.medium(sector: 5, count: 1), [UInt8](repeating: 0xCA, count: 512))
        }
    }

    /// Bus mastering off keeps transfers from beginning, and takes no memory away from those under way.
    func testBusMasteringOffEndsNothing() throws {
        try forEachMachine { machine in
            let release = hold(machine)
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.readDMA, lba: 5, count: 1)
            machine.start(toMemory: true)
            machine.enable(PCICommandBits.io)
            XCTAssertEqual(
                [machine.bmStatus, machine.alternateStatus],
                [BusMasterStatus.active, DriveStatus.working])
            machine.sample("off")
            release()
            machine.sample("ended", machine.bytes(at: TestMachine.data, count: 512))
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(machine.bytes(at: TestMachine.data, count: 512), Self.content(sector: 5))
            machine.enable()
        }
    }

    func testPiecesNotSubmittedAreDropped() throws {
        try forEachMachine(over: MachineConfiguration.inPieces) { machine in
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                let release = hold(machine, count: 1)
                machine.write([UInt8](repeating: 0x99, count: 4096), at: TestMachine.data)
                machine.setTable([(TestMachine.data, 4096)])
                machine.command28(opcode, lba: 16, count: 8)
                machine.start(toMemory: opcode == Opcode.readDMA)
                machine.stop()
                XCTAssertEqual(
                    [machine.bmStatus, machine.alternateStatus], [0, DriveStatus.working])
                release()
                XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
                XCTAssertEqual(
                    [machine.count, machine.inb(IDEPort.lbaLow)], [7, 17],
                    "one piece was transferred")
                let memory = machine.bytes(at: TestMachine.data + 512, count: 3584)
                XCTAssertEqual(memory, [UInt8](repeating: 0x99, count: 3584))
                XCTAssertEqual(
                    try machine.medium(sector: 17, count: 7), Self.content(sector: 17, count: 7))
                machine.clearBusMasterStatus()
            }
        }
    }

    /// What a stop has detached does not end the next transfer's ACTIVE.
    func testStartAgainWhileTheFormerRequestRuns() throws {
        try forEachMachine { machine in
            let release = hold(machine)
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.readDMA, lba: 5, count: 1)
            machine.start(toMemory: true)
            machine.stop()
            machine.start(toMemory: true)
            XCTAssertEqual(
                [machine.bmStatus, machine.alternateStatus],
                [BusMasterStatus.active, DriveStatus.working], "no second run")
            release()
            XCTAssertEqual(
                [machine.bmStatus, machine.status],
                [BusMasterStatus.activeAndInterrupt, DriveStatus.idle])
            machine.command28(Opcode.readDMA, lba: 6, count: 1)
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(machine.bytes(at: TestMachine.data, count: 512), Self.content(sector: 6))
            machine.sample("done")
        }
    }

    func testStopOfAnArmedCommandLeavesItArmed() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.readDMA, lba: 5, count: 1)
            machine.stop()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
        }
    }

    func testStopDuringTRIMDropsTheRangesLeft() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.write(TrimTests.ranges([(8, 8), (64, 8)]), at: TestMachine.data)
            let release = hold(machine, count: 1)
            machine.setTable([(TestMachine.data, 512)])
            machine.command48(Opcode.dataSetManagement, count: 1, features: DataSetManagement.trim)
            machine.start(toMemory: false)
            machine.stop()
            XCTAssertEqual([machine.bmStatus, machine.alternateStatus], [0, DriveStatus.working])
            release()
            XCTAssertEqual(
                [machine.bmStatus, machine.status, machine.error],
                [BusMasterStatus.interrupt, DriveStatus.failed, DriveError.aborted])
            XCTAssertEqual(
                try machine.medium(sector: 64, count: 8), Self.content(sector: 64, count: 8))
        }
    }
}
