import BlockATA
import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import IDE
import XCTest

/// docs/ide-rules.md, "Bus master" and "ATAPI": tables and data in memory that another process has to be
/// asked for, while it takes its time.
final class OtherProcessTests: CDTestCase {
    private static let size = 128 << 10
    /// Where the other process's memory is.
    private let base: UInt32 = 0x4000_0000
    private let slot = IDESlot.primaryMaster

    private func addPeer(_ m: Machine) throws -> HeldMemory {
        let peer = HeldMemory(size: Self.size)
        try m.space.map(.remote(peer, size: UInt64(Self.size)), at: GuestAddress(base))
        return peer
    }

    /// Polls until the peer has been asked for something.
    private func awaitRequest(_ m: Machine, _ peer: HeldMemory, line: UInt = #line) {
        for _ in 0..<1000 where peer.requests == 0 { m.controller.poll(timeout: .seconds(30)) }
        XCTAssertGreaterThan(peer.requests, 0, "the peer is not asked", line: line)
    }

    private func entry(_ address: UInt32, _ size: Int) -> [UInt8] {
        [address, UInt32(size) | 1 << 31].flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
    }

    // MARK: Resets

    /// The peer's answer is all that wakes the emulator: the poll for it has to end the reset too.
    func testDeviceResetEndsWithTheAnswer() throws {
        for isEjected in [false, true] {
            let m = try cdMachine()
            let peer = try addPeer(m)
            defer { peer.isHolding = false }
            m.setTable([(base, 2048)])
            m.givePacket(Machine.read10(1, count: 1), isDMA: true)
            m.start(toMemory: true)
            awaitRequest(m, peer)
            m.outb(0x1F7, 0x08)
            XCTAssertEqual(m.alternateStatus, 0x80, "the peer may still write")
            XCTAssertTrue(m.controller.isBusy)
            if isEjected { try m.controller.eject(slot) }
            m.controller.poll()
            XCTAssertEqual(m.alternateStatus, 0x80)
            peer.answer()
            m.controller.poll()
            XCTAssertFalse(m.controller.isBusy)
            XCTAssertEqual(m.alternateStatus, 0, "ejected: \(isEjected)")
            XCTAssertEqual([m.error, m.count], [1, 1])
            XCTAssertEqual(m.address24, 0xEB1401)
            XCTAssertNoThrow(try m.controller.save())
        }
    }

    func testSoftwareResetEndsWithTheAnswer() throws {
        let m = try machine()
        let peer = try addPeer(m)
        defer { peer.isHolding = false }
        m.setTable([(base, 512)])
        m.command28(0xC8, lba: 5, count: 1)
        m.start(toMemory: true)
        awaitRequest(m, peer)
        m.control(4)
        m.control(0)
        m.controller.poll()
        XCTAssertEqual(m.alternateStatus, 0x80, "the peer may still write")
        peer.answer()
        m.controller.poll()
        XCTAssertEqual(m.alternateStatus, 0x50)
        XCTAssertFalse(m.controller.isBusy)
    }

    // MARK: Failures

    /// What the host has read before it failed is on its way to the peer: until it is there, the command
    /// has not ended, and the guest cannot use the memory for something else.
    func testAFailedReadEndsWithTheAnswer() throws {
        let m = try cdMachine()
        let peer = try addPeer(m)
        defer { peer.isHolding = false }
        m.faults.add(.init(.error(EIO), operations: [.read], range: 36 * 2048..<37 * 2048))
        // 33 sectors are read at a time.
        m.setTable([(base, 0x8000), (base + 0x8000, 40 * 2352 - 0x8000)])
        m.givePacket(Machine.readCD(0, count: 40, 0xF8), isDMA: true)
        m.start(toMemory: true)
        awaitRequest(m, peer)
        XCTAssertEqual(m.events.map(\.action), [.report])
        XCTAssertEqual([m.bmStatus, m.alternateStatus], [1, 0xD0])
        XCTAssertTrue(m.controller.isBusy, "guest memory will change")
        peer.answer()
        m.controller.poll()
        XCTAssertFalse(m.controller.isBusy)
        XCTAssertEqual(Array(peer.bytes[16..<2064]), Self.content(block: 0))
        XCTAssertEqual(m.bmStatus, 4)
        m.expectFailure(3, 0x1100)
    }

    /// A command that is kept begins again: nothing of it is on its way while the machine is stopped.
    func testWhatIsKeptHasNothingOnItsWay() throws {
        let m = try machine(.one, DiskOptions(readErrorPolicy: .stop))
        let peer = try addPeer(m)
        defer { peer.isHolding = false }
        m.faults.add(.init(.short(512), operations: [.read], count: 1))
        m.faults.add(.init(.error(EIO), operations: [.read], after: 1, count: 1))
        m.setTable([(base, 4096)])
        m.command28(0xC8, lba: 8, count: 8)
        m.start(toMemory: true)
        m.settle()
        XCTAssertEqual(m.events.map(\.action), [.stop])
        XCTAssertEqual(peer.requests, 0)
        XCTAssertFalse(m.controller.isBusy)
        m.controller.resume()
        awaitRequest(m, peer)
        peer.answer()
        m.settle()
        XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
        XCTAssertEqual(Array(peer.bytes[..<4096]), Self.content(sector: 8, count: 8))
    }

    // MARK: Tables

    /// A table is what it is when the bus master is started, also when it is started for the second time
    /// while the first answer is on its way.
    func testATableThatWasAskedForBeforeAStopIsAskedForAgain() throws {
        let m = try machine()
        let peer = try addPeer(m)
        defer { peer.isHolding = false }
        let table = Int(0x1000)
        peer.bytes.replaceSubrange(table..<table + 8, with: entry(Machine.data, 512))
        m.controller.writePort(Machine.busMaster + 4, width: 4, value: base + UInt32(table))
        m.command28(0xC8, lba: 5, count: 1)
        m.start(toMemory: true)
        XCTAssertEqual(peer.requests, 1)
        m.stop()
        XCTAssertEqual(m.alternateStatus, 0x58, "armed")
        peer.bytes.replaceSubrange(table..<table + 8, with: entry(Machine.data + 0x1000, 512))
        m.start(toMemory: true)
        peer.answer()
        m.controller.poll()
        peer.answer()
        m.settle()
        XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
        XCTAssertEqual(
            m.bytes(at: Machine.data, count: 512), [UInt8](repeating: 0, count: 512),
            "what the table said before")
        XCTAssertEqual(m.bytes(at: Machine.data + 0x1000, count: 512), Self.content(sector: 5))
    }

    /// What follows a table is nobody's business: registers are not read, and do not spoil it.
    func testATableThatEndsBeforeRegisters() throws {
        for isOwn in [false, true] {
            let m = try machine()
            let peer = try addPeer(m)
            defer { peer.isHolding = false }
            let device = FuzzDevice(isOwn ? .forbidden : .plain)
            try m.space.map(
                .mmio(
                    device, size: 4096, reentrancy: isOwn ? m.controller.reentrancy : nil),
                at: GuestAddress(base + UInt32(Self.size)))
            let table = Self.size - 8
            peer.bytes.replaceSubrange(table..<table + 8, with: entry(Machine.data, 512))
            m.controller.writePort(Machine.busMaster + 4, width: 4, value: base + UInt32(table))
            m.command28(0xC8, lba: 5, count: 1)
            m.start(toMemory: true)
            peer.answer()
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50], "own: \(isOwn)")
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), Self.content(sector: 5))
            XCTAssertEqual(device.accesses, 0, "own: \(isOwn)")
        }
    }
}
