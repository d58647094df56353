import BlockATA
import BlockDMA
import BlockIO
import CTestSupport
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATA commands": DATA SET MANAGEMENT, FLUSH CACHE.
final class TrimTests: IDETestCase {
    /// A block of TRIM ranges.
    static func ranges(_ ranges: [(sector: UInt64, count: UInt64)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for range in ranges {
            let entry = range.sector | range.count << 48
            for byte in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: entry >> (8 * UInt64(byte))))
            }
        }
        return bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    private func trim(_ machine: TestMachine, _ bytes: [UInt8], size: Int? = nil) {
        machine.stop()
        machine.clearBusMasterStatus()
        machine.write(bytes, at: TestMachine.data)
        machine.setTable([(TestMachine.data, size ?? bytes.count)])
        machine.command48(
            Opcode.dataSetManagement, count: UInt16(bytes.count / 512),
            features: DataSetManagement.trim)
        machine.start(toMemory: false)
        machine.settle()
    }

    func testRangesAreDiscarded() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            XCTAssertEqual(
                [
                    machine.identify()[IdentifyWord.trimBlocks],
                    machine.identify()[IdentifyWord.dataSetManagement],
                ], [64, DataSetManagement.trim])
            trim(machine, Self.ranges([(16, 8), (0, 0), (64, 16)]))
            machine.sample("done")
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(machine.count16, 0)
            XCTAssertEqual(disk.queue.statistics.discards.operations, 2)
            if disk.image.kind == .file {
                let zeroes = [UInt8](repeating: 0, count: 8 * 512)
                XCTAssertEqual(try machine.medium(sector: 16, count: 8), zeroes)
                XCTAssertEqual(try machine.medium(sector: 64, count: 8), zeroes)
            }
            XCTAssertEqual(
                try machine.medium(sector: 24, count: 40), Self.content(sector: 24, count: 40))
        }
    }

    /// Where the system gives the host no thread: the host's own loop does the work, and the channel
    /// does not stay busy.
    func testRangesAreDiscardedWithoutThreads() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
            try Rescue.watching(help: { cts_calls_clear() }) {
                fault.during { trim(machine, Self.ranges([(16, 8), (64, 16)])) }
            }
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(disk.queue.statistics.discards.operations, 2)
            if fault.isCovered {
                XCTAssertGreaterThan(disk.queue.statistics.pollerOperations, 0)
            }
            machine.sample("done")
        }
    }

    func testAllRangesAreCheckedBeforeTheFirstIsDiscarded() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            for bad in [
                (UInt64(Self.sectorCount), 1), (UInt64(Self.sectorCount) - 1, 2),
                (0xFFFF_FFFF_FFFF, 1), (0, 0xFFFF),
            ] as [(UInt64, UInt64)] {
                trim(
                    machine,
                    Self.ranges([(16, 8), (64, 8)] + Array(repeating: (0, 0), count: 61) + [bad]))
                XCTAssertEqual(
                    [machine.bmStatus, machine.status, machine.error],
                    [BusMasterStatus.interrupt, DriveStatus.failed, DriveError.aborted])
                machine.sample("\(bad)")
            }
            XCTAssertEqual(disk.queue.statistics.discards.operations, 0)
            XCTAssertEqual(
                try machine.medium(sector: 16, count: 8), Self.content(sector: 16, count: 8))
        }
    }

    func testManyBlocks() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            trim(machine, Self.ranges((0..<130).map { (UInt64($0) * 8, 8) }))
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(disk.queue.statistics.discards.operations, 130)
            machine.sample("done")
        }
    }

    func testTablesThatDoNotFit() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            trim(machine, Self.ranges([(16, 8)]), size: 510)
            XCTAssertEqual([machine.bmStatus, machine.status], [0, DriveStatus.idle])
            XCTAssertEqual(machine.count16, 1)
            XCTAssertEqual(disk.queue.statistics.discards.operations, 0)
            machine.sample("shorter")
            trim(machine, Self.ranges([(16, 8)]), size: 514)
            XCTAssertEqual(
                [machine.bmStatus, machine.status],
                [BusMasterStatus.activeAndInterrupt, DriveStatus.idle])
            XCTAssertEqual(disk.queue.statistics.discards.operations, 1)
            machine.sample("longer")
        }
    }

    func testWhatAborts() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            for (count, features) in [
                (1, 0), (1, 2), (65, DataSetManagement.trim), (0, DataSetManagement.trim),
            ] as [(UInt16, UInt16)] {
                machine.command48(Opcode.dataSetManagement, count: count, features: features)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            }
        }
    }

    /// A host that writes the count once leaves in its high byte what was there before.
    func testAHighByteOfTheCountIsNotMeant() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            machine.write(Self.ranges([(16, 8), (64, 8)]), at: TestMachine.data)
            for before: UInt8 in [1, 0xFF] {
                machine.stop()
                machine.clearBusMasterStatus()
                machine.setTable([(TestMachine.data, 512)])
                machine.outb(IDEPort.count, before)
                machine.command28(
                    Opcode.dataSetManagement, count: 1, features: UInt8(DataSetManagement.trim))
                machine.start(toMemory: false)
                machine.settle()
                XCTAssertEqual(
                    [machine.bmStatus, machine.status],
                    [BusMasterStatus.interrupt, DriveStatus.idle])
                XCTAssertEqual(machine.count16, 0)
            }
            XCTAssertEqual(disk.queue.statistics.discards.operations, 4)
            for count: UInt16 in [0x0100, 0x0141, 0xFFFF] {
                machine.command48(
                    Opcode.dataSetManagement, count: count, features: DataSetManagement.trim)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted],
                    hex(count))
            }
            machine.sample("done")
        }
    }

    func testTheListInAHole() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.setTable([(0x8000_0000, 512)])
            machine.command48(Opcode.dataSetManagement, count: 1, features: DataSetManagement.trim)
            machine.start(toMemory: false)
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status, machine.error],
                [BusMasterStatus.interruptAndError, DriveStatus.failed, DriveError.aborted])
        }
    }

    func testFailedDiscardsGoByThePolicy() throws {
        let success = [BusMasterStatus.interrupt, DriveStatus.idle, 0]
        let failure = [BusMasterStatus.interrupt, DriveStatus.failed, DriveError.aborted]
        for (policy, expected) in [
            (ErrorPolicy.report, failure), (.ignore, success), (.stop, success),
        ] {
            try forEachMachine(
                DiskOptions(writeErrorPolicy: policy), over: MachineConfiguration.engines
            ) { machine in
                machine.faults.add(.init(.error(EIO), operations: [.discard], count: 1))
                trim(machine, Self.ranges([(16, 8), (64, 8)]))
                XCTAssertEqual(machine.events.map(\.operation), [.discard])
                if policy == .stop {
                    XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                    machine.controller.resume()
                    machine.settle()
                }
                XCTAssertEqual([machine.bmStatus, machine.status, machine.error], expected)
            }
        }
    }

    func testFlush() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            for opcode: UInt8 in [Opcode.flushCache, Opcode.flushCacheExt] {
                let before = disk.queue.statistics.flushes.operations
                machine.command28(opcode, lba: 0x123456, count: 7)
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                machine.settle()
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(disk.queue.statistics.flushes.operations, before + 1)
                machine.sample(hex(opcode))
            }
        }
    }

    func testSwitchingTheWriteCacheOffFlushes() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            machine.command28(Opcode.setFeatures, features: Feature.disableWriteCache)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(disk.queue.statistics.flushes.operations, 1)
            machine.faults.add(.init(.error(EIO), operations: [.flush], count: 1))
            machine.command28(Opcode.setFeatures, features: Feature.disableWriteCache)
            machine.settle()
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
        }
    }

    func testFailedFlush() throws {
        try forEachMachine(DiskOptions(writeErrorPolicy: .report)) { machine in
            machine.faults.add(.init(.error(ENOSPC), operations: [.flush], count: 1))
            machine.command28(Opcode.flushCache)
            machine.settle()
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            XCTAssertEqual(machine.events.map(\.errno), [ENOSPC])
            machine.sample("done")
        }
    }
}
