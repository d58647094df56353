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

    private func trim(_ m: Machine, _ bytes: [UInt8], size: Int? = nil) {
        m.stop()
        m.outb(Machine.busMaster + 2, 6)
        m.write(bytes, at: Machine.data)
        m.setTable([(Machine.data, size ?? bytes.count)])
        m.command48(0x06, count: UInt16(bytes.count / 512), features: 1)
        m.start(toMemory: false)
        m.settle()
    }

    func testRangesAreDiscarded() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            XCTAssertEqual([m.identify()[105], m.identify()[169]], [64, 1])
            trim(m, Self.ranges([(16, 8), (0, 0), (64, 16)]))
            m.sample("done")
            XCTAssertTrue(m.irq)
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(m.count16, 0)
            XCTAssertEqual(disk.queue.statistics.discards.operations, 2)
            if disk.image.kind == .file {
                let zeroes = [UInt8](repeating: 0, count: 8 * 512)
                XCTAssertEqual(try m.medium(sector: 16, count: 8), zeroes)
                XCTAssertEqual(try m.medium(sector: 64, count: 8), zeroes)
            }
            XCTAssertEqual(try m.medium(sector: 24, count: 40), Self.content(sector: 24, count: 40))
        }
    }

    /// Where the system gives the host no thread: the host's own loop does the work, and the channel
    /// does not stay busy.
    func testRangesAreDiscardedWithoutThreads() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
            try Rescue.watching(help: { cts_calls_clear() }) {
                fault.during { trim(m, Self.ranges([(16, 8), (64, 16)])) }
            }
            XCTAssertTrue(m.irq)
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(disk.queue.statistics.discards.operations, 2)
            if fault.isCovered {
                XCTAssertGreaterThan(disk.queue.statistics.pollerOperations, 0)
            }
            m.sample("done")
        }
    }

    func testAllRangesAreCheckedBeforeTheFirstIsDiscarded() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            for bad in [(2048, 1), (2047, 2), (0xFFFF_FFFF_FFFF, 1), (0, 0xFFFF)]
                as [(UInt64, UInt64)]
            {
                trim(
                    m,
                    Self.ranges([(16, 8), (64, 8)] + Array(repeating: (0, 0), count: 61) + [bad]))
                XCTAssertEqual([m.bmStatus, m.status, m.error], [4, 0x41, 4])
                m.sample("\(bad)")
            }
            XCTAssertEqual(disk.queue.statistics.discards.operations, 0)
            XCTAssertEqual(try m.medium(sector: 16, count: 8), Self.content(sector: 16, count: 8))
        }
    }

    func testManyBlocks() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            trim(m, Self.ranges((0..<130).map { (UInt64($0) * 8, 8) }))
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(disk.queue.statistics.discards.operations, 130)
            m.sample("done")
        }
    }

    func testTablesThatDoNotFit() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            trim(m, Self.ranges([(16, 8)]), size: 510)
            XCTAssertEqual([m.bmStatus, m.status], [0, 0x50])
            XCTAssertEqual(m.count16, 1)
            XCTAssertEqual(disk.queue.statistics.discards.operations, 0)
            m.sample("shorter")
            trim(m, Self.ranges([(16, 8)]), size: 514)
            XCTAssertEqual([m.bmStatus, m.status], [5, 0x50])
            XCTAssertEqual(disk.queue.statistics.discards.operations, 1)
            m.sample("longer")
        }
    }

    func testWhatAborts() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            for (count, features) in [(1, 0), (1, 2), (65, 1), (0, 1)] as [(UInt16, UInt16)] {
                m.command48(0x06, count: count, features: features)
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.status, m.error], [0x41, 4])
            }
        }
    }

    /// A host that writes the count once leaves in its high byte what was there before.
    func testAHighByteOfTheCountIsNotMeant() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            m.write(Self.ranges([(16, 8), (64, 8)]), at: Machine.data)
            for before: UInt8 in [1, 0xFF] {
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                m.setTable([(Machine.data, 512)])
                m.outb(0x1F2, before)
                m.command28(0x06, count: 1, features: 1)
                m.start(toMemory: false)
                m.settle()
                XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
                XCTAssertEqual(m.count16, 0)
            }
            XCTAssertEqual(disk.queue.statistics.discards.operations, 4)
            for count: UInt16 in [0x0100, 0x0141, 0xFFFF] {
                m.command48(0x06, count: count, features: 1)
                XCTAssertEqual([m.status, m.error], [0x41, 4], hex(count))
            }
            m.sample("done")
        }
    }

    func testTheListInAHole() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.setTable([(0x8000_0000, 512)])
            m.command48(0x06, count: 1, features: 1)
            m.start(toMemory: false)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status, m.error], [6, 0x41, 4])
        }
    }

    func testFailedDiscardsGoByThePolicy() throws {
        for (policy, expected) in [
            (ErrorPolicy.report, [4, 0x41, 4]), (.ignore, [4, 0x50, 0]), (.stop, [4, 0x50, 0]),
        ] as [(ErrorPolicy, [UInt8])] {
            try forEachMachine(
                DiskOptions(writeErrorPolicy: policy), over: MachineConfiguration.engines
            ) { m in
                m.faults.add(.init(.error(EIO), operations: [.discard], count: 1))
                trim(m, Self.ranges([(16, 8), (64, 8)]))
                XCTAssertEqual(m.events.map(\.operation), [.discard])
                if policy == .stop {
                    XCTAssertEqual(m.alternateStatus, 0xD0)
                    m.controller.resume()
                    m.settle()
                }
                XCTAssertEqual([m.bmStatus, m.status, m.error], expected)
            }
        }
    }

    func testFlush() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            for opcode: UInt8 in [0xE7, 0xEA] {
                let before = disk.queue.statistics.flushes.operations
                m.command28(opcode, lba: 0x123456, count: 7)
                XCTAssertEqual(m.alternateStatus, 0xD0)
                m.settle()
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.status, 0x50)
                XCTAssertEqual(disk.queue.statistics.flushes.operations, before + 1)
                m.sample(hex(opcode))
            }
        }
    }

    func testSwitchingTheWriteCacheOffFlushes() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            m.command28(0xEF, features: 0x82)
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(disk.queue.statistics.flushes.operations, 1)
            m.faults.add(.init(.error(EIO), operations: [.flush], count: 1))
            m.command28(0xEF, features: 0x82)
            m.settle()
            XCTAssertEqual([m.status, m.error], [0x41, 4])
        }
    }

    func testFailedFlush() throws {
        try forEachMachine(DiskOptions(writeErrorPolicy: .report)) { m in
            m.faults.add(.init(.error(ENOSPC), operations: [.flush], count: 1))
            m.command28(0xE7)
            m.settle()
            XCTAssertTrue(m.irq)
            XCTAssertEqual([m.status, m.error], [0x41, 4])
            XCTAssertEqual(m.events.map(\.errno), [ENOSPC])
            m.sample("done")
        }
    }
}
