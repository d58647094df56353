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
    private func lend(_ m: Machine) throws {
        peer = try PeerFile(size: Self.size, fill: 0xEE)
        try m.space.map(
            .ram(try GuestRAM(descriptor: peer.descriptor, size: Self.size)),
            at: GuestAddress(Self.base))
    }

    private func forEach(_ body: (Machine) throws -> Void) throws {
        for configuration in MachineConfiguration.all {
            let failures = testRun?.failureCount ?? 0
            let m = try machine(
                configuration, DiskOptions(readErrorPolicy: .ignore, writeErrorPolicy: .ignore))
            try lend(m)
            try body(m)
            if testRun?.failureCount ?? 0 > failures { return XCTFail("with \(configuration)") }
        }
    }

    private func assertFault(_ m: Machine, _ what: String, line: UInt = #line) {
        XCTAssertTrue(m.irq, what, line: line)
        XCTAssertEqual(m.bmStatus, 6, what, line: line)
        XCTAssertEqual([m.status, m.error], [0x41, 0x04], what, line: line)
    }

    /// 4096 bytes in pieces, some of which have gone, and how many bytes from the start have not.
    private static let lists: [(entries: [(address: UInt32, size: Int)], intact: Int)] = [
        ([(lost, 4096)], 0),
        ([(lost + 2, 4096)], 0),
        ([(lost + 0x1200, 4096)], 0),
        ([(lost - 2048, 4096)], 2048),
        ([(lost - 2046, 4096)], 2046),
        ([(Machine.data, 512), (lost, 3584)], 512),
        ([(Machine.data + 2, 2), (lost + 0x302, 4094)], 2),
        ([(lost, 2), (Machine.data + 2, 4094)], 0),
    ]

    /// Each byte is as it was, or is what the guest has given: nothing else has ever been in its memory.
    private func assertMedium(
        _ m: Machine, _ lba: UInt64, intact: Int, _ what: String, line: UInt = #line
    ) throws {
        let found = try m.medium(sector: lba, count: 8)
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
        try forEach { m in
            m.write([UInt8](repeating: 0xDD, count: 8192), at: Machine.data)
            for (index, list) in Self.lists.enumerated() {
                // Each list is the first to find it missing.
                try lend(m)
                try peer.shorten(to: Self.kept)
                for round in 0..<3 {
                    if round == 2 { try peer.restore() }
                    let lba = UInt32(64 * (index + 1))
                    let what = "round \(round), list \(index)"
                    m.transfer(0xCA, lba: lba, count: 8, list.entries)
                    assertFault(m, what)
                    try assertMedium(m, UInt64(lba), intact: list.intact, what)
                }
            }
            m.transfer(0xCA, lba: 40, count: 8, [(Machine.data, 4096)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.transfer(0xCA, lba: 40, count: 8, [(Self.base, 4096)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50], "what is left works")
            XCTAssertEqual(m.events.count, 0)
        }
    }

    func testReadIntoMemoryThatIsGone() throws {
        try forEach { m in
            for (index, list) in Self.lists.enumerated() {
                try lend(m)
                try peer.shorten(to: Self.kept)
                for round in 0..<3 {
                    if round == 2 { try peer.restore() }
                    m.transfer(0xC8, lba: UInt32(64 * (index + 1)), count: 8, list.entries)
                    assertFault(m, "round \(round), list \(index)")
                }
            }
            m.transfer(0xC8, lba: 40, count: 8, [(Self.base, 4096)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(m.bytes(at: Self.base, count: 4096), Self.content(sector: 40, count: 8))
        }
    }

    /// The host has the request when the memory goes. Meanwhile somebody else looks at it.
    func testMemoryIsLostWhileTheHostIsAtWork() throws {
        try forEach { m in
            for opcode: UInt8 in [0xCA, 0xC8] {
                for (index, offset) in ([0, 2, 0x1000] as [UInt32]).enumerated() {
                    for isSeen in [false, true] {
                        let what = "\(hex(opcode)), offset \(offset), seen \(isSeen)"
                        try peer.restore()
                        try lend(m)
                        let lba = UInt32(64 * (index + 1))
                        let rule = m.faults.add(
                            .init(.hold, operations: [.read, .write], count: 1))
                        m.stop()
                        m.outb(Machine.busMaster + 2, 6)
                        m.setTable([(Self.lost + offset, 4096)])
                        m.command28(opcode, lba: lba, count: 8)
                        m.start(toMemory: opcode == 0xC8)
                        XCTAssertTrue(m.controller.isBusy, what)
                        try peer.shorten(to: Self.kept)
                        if isSeen {
                            var bytes = [UInt8](repeating: 0, count: 4096)
                            XCTAssertThrowsError(
                                try bytes.withUnsafeMutableBytes {
                                    try m.space.read(at: GuestAddress(Self.lost + offset), into: $0)
                                })
                        }
                        m.faults.remove(rule)
                        m.faults.release()
                        m.settle()
                        let found = try m.medium(sector: UInt64(lba), count: 8)
                        XCTAssertFalse(
                            Set(
                                stride(from: 0, to: 4096, by: 512).map {
                                    Array(found[$0..<$0 + 512])
                                }
                            )
                            .contains([UInt8](repeating: 0, count: 512)), what)
                        // What had been copied before the memory went is a write like any other.
                        let isWritten = found.allSatisfy { $0 == 0xEE }
                        if opcode == 0xC8 || !isWritten || isSeen {
                            assertFault(m, what)
                        } else {
                            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50], what)
                        }
                    }
                }
            }
        }
    }

    func testTrimRangesInMemoryThatIsGone() throws {
        try forEach { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            try peer.shorten(to: Self.kept)
            for _ in 0..<2 {
                for address in [Self.lost, Self.lost + 2, Self.lost - 256] {
                    m.stop()
                    m.outb(Machine.busMaster + 2, 6)
                    m.setTable([(address, 512)])
                    m.command48(0x06, count: 1, features: 1)
                    m.start(toMemory: false)
                    m.settle()
                    assertFault(m, hex(address))
                }
            }
            XCTAssertEqual(disk.queue.statistics.discards.operations, 0)
        }
    }

    func testATableInMemoryThatIsGone() throws {
        try forEach { m in
            try peer.shorten(to: Self.kept)
            for table in [Self.lost, Self.lost + 4, Self.lost + 0x2000, Self.lost - 4] {
                for opcode: UInt8 in [0xC8, 0xCA, 0xC8] {
                    m.stop()
                    m.outb(Machine.busMaster + 2, 6)
                    m.controller.writePort(Machine.busMaster + 4, width: 4, value: table)
                    m.command28(opcode, lba: 40, count: 8)
                    m.start(toMemory: opcode == 0xC8)
                    m.settle()
                    assertFault(m, hex(table))
                }
            }
            XCTAssertEqual(
                try m.medium(sector: 40, count: 8), Self.content(sector: 40, count: 8))
        }
    }
}
