import CTestSupport
import Glibc
import XCTest

@testable import TestSupport

/// What overtakes what: DMA_UNMAP, resets and the end of a peer, while the host works or the peer is
/// asked for memory. The host's requests are held, and messages come in the order of a test's own, so
/// that each test is one order of things.
final class VFIOUserOrderTests: XCTestCase {
    private static let pattern = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 29 &+ $0 >> 7) }
    private static let zeroes = [UInt8](repeating: 0, count: 4096)
    private static let all: (UInt64, UInt64) = (0, UInt64(VFIODriver.memorySize))

    /// When the peer has been asked for something: by which command, and after how many answers. Before the
    /// first one it is asked for the table, after it for data.
    private static let moments = [
        (Opcode.readDMA, answers: 0), (Opcode.readDMA, answers: 1), (Opcode.writeDMA, answers: 1),
    ]

    private func content(of file: Descriptor, at address: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: 4096)
        _ = pread(file.raw, &bytes, 4096, address)
        return bytes
    }

    /// READ DMA or WRITE DMA of eight sectors, which the host holds.
    private func startHeld(_ bench: VFIOInside, _ command: UInt8) throws {
        bench.fill(0x10000, Self.pattern)
        bench.hold(command == Opcode.readDMA ? .read : .write)
        try bench.start(command, at: 8, count: 8, [(0x10000, 4096)])
        try bench.waitForHeld()
    }

    private func release(_ bench: VFIOInside, _ command: UInt8) {
        bench.release(command == Opcode.readDMA ? .read : .write)
    }

    // MARK: The host works

    func testUnmapIsAnsweredWhenTheHostHasLetGoAndNobodyWaitsForIt() throws {
        for engine in ["io_uring", "libaio", "threads"] {
            for command: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                let bench = try VFIOInside(engine: engine)
                try startHeld(bench, command)
                let id = try bench.peer.send(VFIORequest.unmap(Self.all.0, Self.all.1))
                XCTAssertTrue(try bench.peer.isQuiet())
                XCTAssertEqual(try bench.alternateStatus, DriveStatus.working)
                XCTAssertEqual(
                    try bench.busMasterStatus & BusMasterStatus.active, BusMasterStatus.active)
                // Other memory in the same place.
                let other = try VFIODriver.newMemory()
                try bench.request(VFIORequest.map(Self.all.0, Self.all.1), [other.raw])
                XCTAssertTrue(try bench.peer.isQuiet())
                release(bench, command)
                XCTAssertEqual(try bench.peer.reply(to: id).failure, 0)
                // All has been moved by then.
                if command == Opcode.readDMA {
                    XCTAssertEqual(bench.bytes(0x10000, 4096), Bench.content(of: 8..<16))
                } else {
                    XCTAssertEqual(try bench.medium(8..<16), Self.pattern)
                }
                let end = try bench.finish()
                XCTAssertEqual(
                    [end.status, end.busMaster], [DriveStatus.idle, BusMasterStatus.interrupt])
                XCTAssertEqual(content(of: other, at: 0x10000), Self.zeroes)
            }
        }
    }

    func testUnmappingEverythingWaitsToo() throws {
        let bench = try VFIOInside()
        let more = try VFIODriver.newMemory()
        try bench.request(VFIORequest.map(1 << 32, UInt64(VFIODriver.memorySize)), [more.raw])
        try startHeld(bench, Opcode.readDMA)
        let id = try bench.peer.send(VFIORequest.unmap(0, 0, flags: VFIOUnmapFlags.all))
        XCTAssertTrue(try bench.peer.isQuiet())
        bench.release(.read)
        XCTAssertEqual(try bench.peer.reply(to: id).failure, 0)
        XCTAssertEqual(bench.bytes(0x10000, 4096), Bench.content(of: 8..<16))
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        // Nothing is left.
        try bench.start(Opcode.readDMA, at: 8, count: 8, [(0x10000, 4096)])
        let end = try bench.finish()
        XCTAssertEqual(
            [end.status, end.busMaster], [DriveStatus.failed, BusMasterStatus.interruptAndError])
        try bench.map(shares: true)
        try bench.start(Opcode.readDMA, at: 16, count: 8, [(0x10000, 4096)])
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(bench.bytes(0x10000, 4096), Bench.content(of: 16..<24))
    }

    /// The memory stays until the host has let go; the next peer finds the command running, and is told
    /// of its end.
    func testAPeerVanishesWhileTheHostWorks() throws {
        for engine in ["io_uring", "libaio", "threads"] {
            for command: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                let bench = try VFIOInside(engine: engine)
                try startHeld(bench, command)
                let former = Descriptor(dup(bench.memory.raw))
                try bench.vanish()
                XCTAssertTrue(bench.isBusy)
                try bench.reconnect()
                XCTAssertEqual(try bench.alternateStatus, DriveStatus.working)
                XCTAssertEqual(bench.signals, 0)
                release(bench, command)
                let end = try bench.finish()
                XCTAssertEqual(
                    [end.status, end.busMaster], [DriveStatus.idle, BusMasterStatus.interrupt])
                XCTAssertEqual(bench.bytes(0x10000, 4096), Self.zeroes)
                if command == Opcode.readDMA {
                    XCTAssertEqual(content(of: former, at: 0x10000), Bench.content(of: 8..<16))
                } else {
                    XCTAssertEqual(try bench.medium(8..<16), Self.pattern)
                }
                XCTAssertEqual(try bench.medium(0..<8), Bench.content(of: 0..<8))
                XCTAssertEqual(try bench.medium(16..<32), Bench.content(of: 16..<32))
            }
        }
    }

    func testAResetIsAnsweredWhenTheHostHasLetGo() throws {
        let bench = try VFIOInside()
        try startHeld(bench, Opcode.readDMA)
        var ids: [UInt16] = []
        for _ in 0..<70 { ids.append(try bench.peer.send(VFIORequest.reset)) }
        // So many are kept, and no more.
        for id in ids[64...] { XCTAssertEqual(try bench.peer.reply(to: id).failure, EBUSY) }
        XCTAssertTrue(try bench.peer.isQuiet())
        try bench.enable()
        XCTAssertEqual(try bench.alternateStatus & DriveStatus.busy, DriveStatus.busy)
        bench.release(.read)
        for id in ids[..<64] { XCTAssertEqual(try bench.peer.reply(to: id).failure, 0) }
        XCTAssertFalse(bench.isBusy)
        XCTAssertEqual(try bench.alternateStatus, DriveStatus.idle)
        XCTAssertEqual(bench.signals, 0)
        try bench.start(Opcode.readDMA, at: 16, count: 8, [(0x20000, 4096)])
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(bench.bytes(0x20000, 4096), Bench.content(of: 16..<24))
    }

    // MARK: The peer is asked

    func testTheTableIsOvertakenByAnother() throws {
        let bench = try VFIOInside(shares: false)
        try bench.start(Opcode.readDMA, at: 8, count: 8, table: 0x1000, [(0x10000, 4096)])
        try bench.writeBusMaster(command: BusMasterCommand.stop)
        XCTAssertEqual(try bench.busMasterStatus & BusMasterStatus.active, 0)
        bench.fill(0x2000, le(UInt32(0x20000)) + le(UInt32(4096 | 1 << 31)))
        try bench.writeBusMaster(table: 0x2000)
        try bench.writeBusMaster(command: BusMasterCommand.startWritingMemory)
        for _ in 0..<3 { try bench.answer() }
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(bench.bytes(0x10000, 4096), Self.zeroes)
        XCTAssertEqual(bench.bytes(0x20000, 4096), Bench.content(of: 8..<16))
        XCTAssertTrue(try bench.peer.isQuiet())
    }

    /// SRST disarms, while the table is on its way and while data is.
    func testTheTableAndDataAreOvertakenByAReset() throws {
        let bench = try VFIOInside(shares: false)
        for answers in 0..<2 {
            try bench.start(Opcode.readDMA, at: 8, count: 8, [(0x10000, 4096)])
            for _ in 0..<answers { try bench.answer() }
            let command = try bench.peer.anyCommand()
            XCTAssertEqual(
                command.command, answers == 0 ? VFIOCommand.dmaRead : VFIOCommand.dmaWrite)
            try bench.resetChannel()
            XCTAssertEqual(try bench.alternateStatus, DriveStatus.busy)
            try bench.answer(command)
            XCTAssertEqual(try bench.alternateStatus, DriveStatus.idle)
            XCTAssertTrue(try bench.peer.isQuiet())
            XCTAssertEqual(bench.signals, 0)
        }
        try bench.start(Opcode.readDMA, at: 16, count: 8, [(0x40000, 4096)])
        for _ in 0..<2 { try bench.answer() }
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(bench.bytes(0x40000, 4096), Bench.content(of: 16..<24))
    }

    /// A peer that waits for a reply may answer nothing before it has it: what it was asked for fails,
    /// and the answer that comes later means nothing. Unmapped is what is asked for, or all.
    func testWhatIsAskedForIsOvertakenByUnmap() throws {
        for unmap in [
            VFIORequest.unmap(Self.all.0, Self.all.1),
            VFIORequest.unmap(0, 0, flags: VFIOUnmapFlags.all),
        ] {
            for (command, answers) in Self.moments {
                let bench = try VFIOInside(shares: false)
                bench.fill(0x10000, Self.pattern)
                try bench.start(command, at: 8, count: 8, [(0x10000, 4096)])
                for _ in 0..<answers { try bench.answer() }
                let late = try bench.peer.anyCommand()
                try bench.request(unmap)
                try bench.answer(late)
                let end = try bench.finish()
                XCTAssertEqual(
                    [end.status, end.busMaster],
                    [DriveStatus.failed, BusMasterStatus.interruptAndError])
                XCTAssertEqual(try bench.error, DriveError.aborted)
                XCTAssertTrue(try bench.peer.isQuiet())
                XCTAssertEqual(try bench.medium(8..<16), Bench.content(of: 8..<16))
                try bench.map(shares: false)
                try bench.start(Opcode.readDMA, at: 16, count: 8, [(0x20000, 4096)])
                for _ in 0..<2 { try bench.answer() }
                XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
                XCTAssertEqual(bench.bytes(0x20000, 4096), Bench.content(of: 16..<24))
            }
        }
    }

    /// What is asked for goes on when memory that it is not asked of is unmapped.
    func testUnmapOfOtherMemoryDoesNotMatter() throws {
        for (command, answers) in Self.moments {
            let bench = try VFIOInside(shares: false)
            try bench.request(VFIORequest.map(1 << 32, 4096))
            bench.fill(0x10000, Self.pattern)
            try bench.start(command, at: 8, count: 8, [(0x10000, 4096)])
            for _ in 0..<answers { try bench.answer() }
            let late = try bench.peer.anyCommand()
            try bench.request(VFIORequest.unmap(1 << 32, 4096))
            try bench.answer(late)
            for _ in answers + 1..<2 { try bench.answer() }
            XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
            if command == Opcode.readDMA {
                XCTAssertEqual(bench.bytes(0x10000, 4096), Bench.content(of: 8..<16))
            } else {
                XCTAssertEqual(try bench.medium(8..<16), Self.pattern)
            }
        }
    }

    /// Nor is it asked when the host brings something meanwhile. A DMA_UNMAP does not wait for the host,
    /// which does not reach the peer's memory; a reset does.
    func testNothingIsAskedForWhileAReplyIsOwed() throws {
        for message in [VFIORequest.unmap(Self.all.0, Self.all.1), VFIORequest.reset] {
            let bench = try VFIOInside(shares: false)
            bench.hold(.read)
            try bench.start(Opcode.readDMA, at: 8, count: 8, [(0x10000, 4096)])
            try bench.answer()
            try bench.waitForHeld()
            let id = try bench.peer.send(message)
            if message == VFIORequest.reset {
                XCTAssertTrue(try bench.peer.isQuiet())
                bench.release(.read)
            }
            XCTAssertEqual(try bench.peer.reply(to: id).failure, 0)
            XCTAssertTrue(try bench.peer.isQuiet())
            if message == VFIORequest.reset {
                XCTAssertEqual(bench.signals, 0)
                try bench.enable()
            } else {
                bench.release(.read)
                let end = try bench.finish()
                XCTAssertEqual(
                    [end.status, end.busMaster],
                    [DriveStatus.failed, BusMasterStatus.interruptAndError])
                XCTAssertTrue(try bench.peer.isQuiet())
                try bench.map(shares: false)
            }
            XCTAssertEqual(bench.bytes(0x10000, 4096), Self.zeroes)
            try bench.start(Opcode.readDMA, at: 16, count: 8, [(0x20000, 4096)])
            for _ in 0..<2 { try bench.answer() }
            XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
            XCTAssertEqual(bench.bytes(0x20000, 4096), Bench.content(of: 16..<24))
        }
    }

    /// Peers go while they are asked for a table or for data, with a reset before or after, or none.
    /// The state is kept: it is the transfer that fails, and the next peer hears of it.
    func testPeersComeAndGo() throws {
        let bench = try VFIOInside(shares: false)
        for (command, answers) in Self.moments + [(Opcode.writeDMA, 0)] {
            for reset in 0..<3 {
                bench.fill(0x10000, Self.pattern)
                try bench.start(command, at: 8, count: 8, [(0x10000, 4096)])
                for _ in 0..<answers { try bench.answer() }
                _ = try bench.peer.anyCommand()
                if reset == 1 { try bench.request(VFIORequest.reset) }
                XCTAssertEqual(bench.signals, 0)
                try bench.vanish()
                XCTAssertFalse(bench.isBusy)
                try bench.reconnect(shares: false)
                XCTAssertEqual(bench.signals, reset == 1 ? 0 : 1)
                if reset == 2 {
                    try bench.request(VFIORequest.reset)
                    try bench.enable()
                }
                XCTAssertEqual(
                    try bench.status, reset == 0 ? DriveStatus.failed : DriveStatus.idle)
                try bench.unmaskInterrupt()
            }
        }
        try bench.reconnect()
        try bench.start(Opcode.readDMA, at: 8, count: 8, [(0x10000, 4096)])
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(bench.bytes(0x10000, 4096), Bench.content(of: 8..<16))
        XCTAssertEqual(try bench.medium(0..<64), Bench.content(of: 0..<64))
    }
}
