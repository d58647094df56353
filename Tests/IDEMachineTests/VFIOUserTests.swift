import CTestSupport
import XCTest

@testable import TestSupport

/// The vfio-user face with the controller behind it.
final class VFIOUserTests: XCTestCase {
    private static let patterns = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ $0 >> 8) }

    /// Where the data of a reply to REGION_READ begins.
    private static let data = 16

    func testTheFunctionIsInNativeMode() throws {
        for (options, id, revision) in [
            ([], 0x7010_8086, 0), (["--pci-id", "8086:7111"], 0x7111_8086, 0),
            (["--pci-id", "1095:0646"], 0x0646_1095, 7),
        ] as [([String], UInt32, UInt32)] {
            let bench = try VFIOBench(options)
            let space = try bench.request(VFIORequest.readConfiguration(0, 256))
            XCTAssertEqual(space.u32(Self.data), id)
            XCTAssertEqual(space.u32(Self.data + PCIOffset.revision), 0x0101_8F00 | revision)
            // I/O ports, wherever a peer puts them.
            for bar in 0..<5 {
                XCTAssertEqual(space.u32(Self.data + PCIOffset.firstBAR + 4 * bar), 1)
            }
            XCTAssertEqual(space.body[Self.data + PCIOffset.interruptPin], 1)
            if id & 0xFFFF == 0x8086 {
                // IDETIM: both channels are switched on.
                XCTAssertEqual(
                    [0x41, 0x43].map { space.body[Self.data + $0] }, [0x80, 0x80])
            } else {
                XCTAssertEqual(space.body[Self.data + 0x51], 0x0C, "CNTRL")
            }
        }
    }

    func testDMAIntoSharedMemoryIsNotCopied() throws {
        for engine in ["io_uring", "libaio", "threads"] {
            let bench = try VFIOBench(engine: engine)
            try bench.start(Opcode.readDMA, at: 8, count: 16, [(0x10000, 4096), (0x20000, 4096)])
            XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
            XCTAssertEqual(bench.bytes(0x10000, 4096), Bench.content(of: 8..<16))
            XCTAssertEqual(bench.bytes(0x20000, 4096), Bench.content(of: 16..<24))
            bench.fill(0x30000, Self.patterns)
            try bench.start(Opcode.writeDMA, at: 32, count: 8, [(0x30000, 4096)])
            let end = try bench.finish()
            XCTAssertEqual(
                [end.status, end.busMaster], [DriveStatus.idle, BusMasterStatus.interrupt])
            XCTAssertEqual(try bench.medium(32..<40), Self.patterns)
            let words = try bench.end()
            XCTAssertTrue(words.isSuperset(of: ["direct=12288", "bounced=0", "dma_read=0"]))
        }
    }

    /// A peer that keeps its memory: descriptor table and data come and go by message, and registers
    /// are answered, with what they are, while a message is out.
    func testDMAByMessage() throws {
        let bench = try VFIOBench(shares: false)
        var seen: Set<UInt8> = []
        bench.beforeAnswer = { _ in
            for _ in 0..<3 { seen.insert(try bench.alternateStatus) }
            XCTAssertEqual(
                try bench.busMasterStatus & BusMasterStatus.active, BusMasterStatus.active)
        }
        try bench.start(Opcode.readDMA, at: 8, count: 16, [(0x10000, 4096), (0x20000, 4096)])
        for _ in 0..<3 { try bench.answer() }
        var end = try bench.finish()
        XCTAssertEqual([end.status, end.busMaster], [DriveStatus.idle, BusMasterStatus.interrupt])
        XCTAssertEqual(bench.bytes(0x10000, 4096), Bench.content(of: 8..<16))
        XCTAssertEqual(bench.bytes(0x20000, 4096), Bench.content(of: 16..<24))
        bench.fill(0x30000, Self.patterns)
        try bench.start(Opcode.writeDMA, at: 32, count: 8, [(0x30000, 1024), (0x30400, 3072)])
        for _ in 0..<3 { try bench.answer() }
        end = try bench.finish()
        XCTAssertEqual([end.status, end.busMaster], [DriveStatus.idle, BusMasterStatus.interrupt])
        XCTAssertEqual(try bench.medium(32..<40), Self.patterns)
        // The command is before its start until the table is there, then busy.
        XCTAssertEqual(seen, [DriveStatus.wantsData, DriveStatus.working])
        let words = try bench.end()
        XCTAssertTrue(words.contains("dma_write=8192"), "\(words)")
    }

    func testMessagesThatFailAreMemoryFaults() throws {
        let bench = try VFIOBench(shares: false)
        for failing in 0..<2 {
            try bench.start(Opcode.writeDMA, at: 32, count: 8, [(0x30000, 4096)])
            for _ in 0..<failing { try bench.answer() }
            let command = try bench.peer.anyCommand()
            try bench.peer.send(
                VFIOMessage(
                    id: command.id, command: command.command, flags: VFIOMessageFlags.errorReply,
                    error: UInt32(EIO)))
            let end = try bench.finish()
            XCTAssertEqual(
                [end.status, end.busMaster],
                [DriveStatus.failed, BusMasterStatus.interruptAndError])
            XCTAssertEqual(try bench.error, DriveError.aborted)
        }
        XCTAssertEqual(try bench.medium(32..<40), Bench.content(of: 32..<40))
    }

    /// Memory that its owner has made shorter is a memory fault, of data and of the table.
    func testMemoryThatIsGone() throws {
        for engine in ["io_uring", "libaio", "threads"] {
            let bench = try VFIOBench(engine: engine)
            let other = Descriptor(try SystemCall.check(cts_memfd(1 << 16), "memfd_create"))
            try bench.request(VFIORequest.map(1 << 20, 1 << 16), [other.raw])
            XCTAssertEqual(ftruncate(other.raw, 4096), 0)
            for command: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                try bench.start(command, at: 8, count: 8, [(1 << 20 + 0x8000, 4096)])
                let end = try bench.finish()
                XCTAssertEqual(
                    [end.status, end.busMaster],
                    [DriveStatus.failed, BusMasterStatus.interruptAndError])
                XCTAssertEqual(try bench.error, DriveError.aborted)
            }
            try bench.start(Opcode.readDMA, at: 8, count: 8, table: 1 << 20 + 0x4000, [])
            let end = try bench.finish()
            XCTAssertEqual(
                [end.status, end.busMaster],
                [DriveStatus.failed, BusMasterStatus.interruptAndError])
            // What has been missed stays lost, for what goes directly and what is copied.
            for size: off_t in [4096, 1 << 16] {
                XCTAssertEqual(ftruncate(other.raw, size), 0)
                for command: UInt8 in [Opcode.writeDMA, Opcode.readDMA] {
                    for address in [1 << 20 + 0x4000, 1 << 20 + 0x8002] {
                        try bench.start(command, at: 8, count: 8, [(address, 4096)])
                        let end = try bench.finish()
                        XCTAssertEqual(
                            [end.status, end.busMaster],
                            [DriveStatus.failed, BusMasterStatus.interruptAndError])
                    }
                }
            }
            XCTAssertEqual(try bench.medium(0..<64), Bench.content(of: 0..<64))
            try bench.start(Opcode.readDMA, at: 8, count: 8, [(1 << 20, 4096)])
            XCTAssertEqual(
                try bench.finish().status, DriveStatus.idle, "what was never missed works")
        }
    }

    func testTheInterruptCanBeHeldDown() throws {
        let bench = try VFIOBench()
        try bench.enable(interruptDisable: PCICommandBits.interruptDisable)
        try bench.start(Opcode.readDMA, at: 8, count: 8, [(0x10000, 4096)])
        try eventually("the command ends") { (try? bench.alternateStatus) == DriveStatus.idle }
        func status() throws -> UInt8? {
            try bench.request(VFIORequest.readConfiguration(PCIOffset.status, 1)).body.last
        }
        XCTAssertEqual(try status(), PCIStatusBits.interrupt | PCIStatusBits.fastBackToBack)
        XCTAssertEqual(cts_wait_readable(bench.event.raw, 0), 0)
        try bench.enable()
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(try status(), PCIStatusBits.fastBackToBack)
    }

    func testInterruptsOfTheCMD646() throws {
        let bench = try VFIOBench(["--pci-id", "1095:0646"])
        func copies() throws -> [UInt8] {
            let space = try bench.request(VFIORequest.readConfiguration(0, 256))
            return [
                space.body[Self.data + CMD646Register.cfr.offset]
                    & CMD646Register.cfr.primaryInterrupt,
                space.body[Self.data + CMD646Register.arttim23.offset]
                    & CMD646Register.arttim23.secondaryInterrupt,
                space.body[Self.data + CMD646Register.mrdmode.offset],
            ]
        }
        XCTAssertEqual(try copies(), [0, 0, 0])
        let raised = CMD646Register.cfr.primaryInterrupt
        let shown = CMD646Register.mrdmode.primaryInterrupt
        let blocked = CMD646Register.mrdmode.primaryBlocked
        try bench.request(VFIORequest.writeConfiguration(CMD646Register.mrdmode.offset, blocked))
        try bench.start(Opcode.readDMA, at: 8, count: 8, [(0x10000, 4096)])
        try eventually("the command ends") { (try? bench.alternateStatus) == DriveStatus.idle }
        XCTAssertEqual(try copies(), [raised, 0, shown | blocked])
        XCTAssertEqual(
            try bench.read(VFIORegion.bar4, CMD646Register.mrdmodeInBusMaster), shown | blocked)
        XCTAssertEqual(cts_wait_readable(bench.event.raw, 0), 0)
        try bench.write(VFIORegion.bar4, CMD646Register.mrdmodeInBusMaster, [0])
        XCTAssertEqual(cts_wait_readable(bench.event.raw, LineSocket.patience), 1)
        // Writing 1 clears, by either register, although INTRQ is still high.
        try bench.request(
            VFIORequest.writeConfiguration(CMD646Register.cfr.offset, raised))
        XCTAssertEqual(try copies(), [0, 0, 0])
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        // Reading status lowers INTRQ, and the copy with it.
        try bench.start(Opcode.readDMA, at: 8, count: 8, [(0x10000, 4096)])
        try eventually("the command ends") { (try? bench.alternateStatus) == DriveStatus.idle }
        XCTAssertEqual(try copies(), [raised, 0, shown])
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(try copies(), [0, 0, 0])
    }

    func testTheSocketGoesWithTheProgram() throws {
        let bench = try VFIOBench()
        let path = bench.directory.path("socket")
        let second = try MachineProcess(["--vfio-user", path])
        XCTAssertEqual(try second.end().status, 1)
        XCTAssertEqual(access(path, F_OK), 0)
        _ = try bench.end()
        XCTAssertNotEqual(access(path, F_OK), 0)
    }
}
