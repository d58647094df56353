import BlockATA
import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": buffers and tables in memory that has been taken away.
final class LostGuestMemoryTests: IDETestCase {
    /// Where another process's memory is, behind that of the machine.
    private static let base: UInt32 = 0x100_0000
    private static let size = 16 * 4096
    /// What is behind it is taken away.
    private static let kept = 8 * 4096
    private static let lost = base + UInt32(kept)

    private var peer: PeerFile!

    override func setUpWithError() throws {
        try GuestRAM.surviveTruncation()
    }

    override func tearDown() { peer = nil }

    /// Gives a machine memory of another process, all of it there.
    private func lend(_ machine: TestMachine) throws {
        peer = try PeerFile(size: Self.size, fill: 0xEE)
        try machine.space.map(
            .ram(try GuestRAM(descriptor: peer.descriptor, size: Self.size)),
            at: GuestAddress(Self.base))
    }

    private func forEach(_ body: (TestMachine) throws -> Void) throws {
        for configuration in MachineConfiguration.all {
            let failures = testRun?.failureCount ?? 0
            let machine = try machine(
                configuration, DiskOptions(readErrorPolicy: .ignore, writeErrorPolicy: .ignore))
            try lend(machine)
            try body(machine)
            if testRun?.failureCount ?? 0 > failures { return XCTFail("with \(configuration)") }
        }
    }

    private func assertFault(_ machine: TestMachine, _ what: String, line: UInt = #line) {
        XCTAssertTrue(machine.irq, what, line: line)
        XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError, what, line: line)
        XCTAssertEqual(
            [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted], what,
            line: line)
    }

    /// 4096 bytes in pieces, some of which have gone, and how many bytes from the start have not.
    private static let lists: [(entries: [(address: UInt32, size: Int)], intact: Int)] = [
        ([(lost, 4096)], 0),
        ([(lost + 2, 4096)], 0),
        ([(lost + 0x1200, 4096)], 0),
        ([(lost - 2048, 4096)], 2048),
        ([(lost - 2046, 4096)], 2046),
        ([(TestMachine.data, 512), (lost, 3584)], 512),
        ([(TestMachine.data + 2, 2), (lost + 0x302, 4094)], 2),
        ([(lost, 2), (TestMachine.data + 2, 4094)], 0),
    ]

    /// Each byte is as it was, or is what the guest has given: nothing else has ever been in its memory.
    private func assertMedium(
        _ machine: TestMachine, _ lba: UInt64, intact: Int, _ what: String, line: UInt = #line
    ) throws {
        let found = try machine.medium(sector: lba, count: 8)
        let old = Self.content(sector: lba, count: 8)
        let isWrong = { place in
            found[place] != old[place]
                && (place >= intact || found[place] != 0xDD && found[place] != 0xEE)
        }
        if let place = (0..<found.count).first(where: isWrong) {
            XCTFail(
                "byte \(place) of the image has become \(found[place]), \(what)", line: line)
        }
    }

    func testWriteOfMemoryThatIsGone() throws {
        try forEach { machine in
            machine.write([UInt8](repeating: 0xDD, count: 8192), at: TestMachine.data)
            for (index, list) in Self.lists.enumerated() {
                // Each list is the first to find it missing.
                try lend(machine)
                try peer.shorten(to: Self.kept)
                for round in 0..<3 {
                    if round == 2 { try peer.restore() }
                    let lba = UInt32(64 * (index + 1))
                    let what = "round \(round), list \(index)"
                    machine.transfer(Opcode.writeDMA, lba: lba, count: 8, list.entries)
                    assertFault(machine, what)
                    try assertMedium(machine, UInt64(lba), intact: list.intact, what)
                }
            }
            machine.transfer(Opcode.writeDMA, lba: 40, count: 8, [(TestMachine.data, 4096)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.transfer(Opcode.writeDMA, lba: 40, count: 8, [(Self.base, 4096)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle],
                "what is left works")
            XCTAssertEqual(machine.events.count, 0)
        }
    }

    func testReadIntoMemoryThatIsGone() throws {
        try forEach { machine in
            for (index, list) in Self.lists.enumerated() {
                try lend(machine)
                try peer.shorten(to: Self.kept)
                for round in 0..<3 {
                    if round == 2 { try peer.restore() }
                    machine.transfer(
                        Opcode.readDMA, lba: UInt32(64 * (index + 1)), count: 8, list.entries)
                    assertFault(machine, "round \(round), list \(index)")
                }
            }
            machine.transfer(Opcode.readDMA, lba: 40, count: 8, [(Self.base, 4096)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(
                machine.bytes(at: Self.base, count: 4096), Self.content(sector: 40, count: 8))
        }
    }

    /// The host has the request when the memory goes. Meanwhile somebody else looks at it.
    func testMemoryIsLostWhileTheHostIsAtWork() throws {
        try forEach { machine in
            for opcode: UInt8 in [Opcode.writeDMA, Opcode.readDMA] {
                for (index, offset) in ([0, 2, 0x1000] as [UInt32]).enumerated() {
                    for isSeen in [false, true] {
                        let what = "\(hex(opcode)), offset \(offset), seen \(isSeen)"
                        try peer.restore()
                        try lend(machine)
                        let lba = UInt32(64 * (index + 1))
                        let rule = machine.faults.add(
                            .init(.hold, operations: [.read, .write], count: 1))
                        machine.stop()
                        machine.clearBusMasterStatus()
                        machine.setTable([(Self.lost + offset, 4096)])
                        machine.command28(opcode, lba: lba, count: 8)
                        machine.start(toMemory: opcode == Opcode.readDMA)
                        XCTAssertTrue(machine.controller.isBusy, what)
                        try peer.shorten(to: Self.kept)
                        if isSeen {
                            var bytes = [UInt8](repeating: 0, count: 4096)
                            XCTAssertThrowsError(
                                try bytes.withUnsafeMutableBytes {
                                    try machine.space.read(
                                        at: GuestAddress(Self.lost + offset), into: $0)
                                })
                        }
                        machine.faults.remove(rule)
                        machine.faults.release()
                        machine.settle()
                        let found = try machine.medium(sector: UInt64(lba), count: 8)
                        XCTAssertFalse(
                            Set(
                                stride(from: 0, to: 4096, by: 512).map {
                                    Array(found[$0..<$0 + 512])
                                }
                            )
                            .contains([UInt8](repeating: 0, count: 512)), what)
                        // What had been copied before the memory went is a write like any other.
                        let isWritten = found.allSatisfy { $0 == 0xEE }
                        if opcode == Opcode.readDMA || !isWritten || isSeen {
                            assertFault(machine, what)
                        } else {
                            XCTAssertEqual(
                                [machine.bmStatus, machine.status],
                                [BusMasterStatus.interrupt, DriveStatus.idle], what)
                        }
                    }
                }
            }
        }
    }

    func testTrimRangesInMemoryThatIsGone() throws {
        try forEach { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            try peer.shorten(to: Self.kept)
            for _ in 0..<2 {
                for address in [Self.lost, Self.lost + 2, Self.lost - 256] {
                    machine.stop()
                    machine.clearBusMasterStatus()
                    machine.setTable([(address, 512)])
                    machine.command48(
                        Opcode.dataSetManagement, count: 1, features: DataSetManagement.trim)
                    machine.start(toMemory: false)
                    machine.settle()
                    assertFault(machine, hex(address))
                }
            }
            XCTAssertEqual(disk.queue.statistics.discards.operations, 0)
        }
    }

    func testATableInMemoryThatIsGone() throws {
        try forEach { machine in
            try peer.shorten(to: Self.kept)
            for table in [Self.lost, Self.lost + 4, Self.lost + 0x2000, Self.lost - 4] {
                for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA, Opcode.readDMA] {
                    machine.stop()
                    machine.clearBusMasterStatus()
                    machine.controller.writePort(
                        TestMachine.busMaster + BusMasterRegister.table, width: 4, value: table)
                    machine.command28(opcode, lba: 40, count: 8)
                    machine.start(toMemory: opcode == Opcode.readDMA)
                    machine.settle()
                    assertFault(machine, hex(table))
                }
            }
            XCTAssertEqual(
                try machine.medium(sector: 40, count: 8), Self.content(sector: 40, count: 8))
        }
    }
}
