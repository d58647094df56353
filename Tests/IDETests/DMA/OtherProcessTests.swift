import BlockATA
import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master" and "ATAPI": tables and data in memory that another process has to be
/// asked for, while it takes its time.
final class OtherProcessTests: CDTestCase {
    private static let size = 128 << 10
    /// Where the other process's memory is.
    private let base: UInt32 = 0x4000_0000
    private let slot = IDESlot.primaryMaster

    private func addPeer(_ machine: TestMachine) throws -> HeldMemory {
        let peer = HeldMemory(size: Self.size)
        try machine.space.map(.remote(peer, size: UInt64(Self.size)), at: GuestAddress(base))
        return peer
    }

    /// Polls until the peer has been asked for something.
    private func awaitRequest(_ machine: TestMachine, _ peer: HeldMemory, line: UInt = #line) {
        for _ in 0..<1000 where peer.requests == 0 {
            machine.controller.poll(timeout: .seconds(30))
        }
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
            let machine = try cdMachine()
            let peer = try addPeer(machine)
            defer { peer.isHolding = false }
            machine.setTable([(base, 2048)])
            machine.givePacket(TestMachine.read10(1, count: 1), isDMA: true)
            machine.start(toMemory: true)
            awaitRequest(machine, peer)
            machine.outb(IDEPort.command, Opcode.deviceReset)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy, "the peer may still write")
            XCTAssertTrue(machine.controller.isBusy)
            if isEjected { try machine.controller.eject(slot) }
            machine.controller.poll()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            peer.answer()
            machine.controller.poll()
            XCTAssertFalse(machine.controller.isBusy)
            XCTAssertEqual(machine.alternateStatus, 0, "ejected: \(isEjected)")
            XCTAssertEqual([machine.error, machine.count], [1, 1])
            XCTAssertEqual(machine.address24, 0xEB1401)
            XCTAssertNoThrow(try machine.controller.save())
        }
    }

    func testSoftwareResetEndsWithTheAnswer() throws {
        let machine = try machine()
        let peer = try addPeer(machine)
        defer { peer.isHolding = false }
        machine.setTable([(base, 512)])
        machine.command28(Opcode.readDMA, lba: 5, count: 1)
        machine.start(toMemory: true)
        awaitRequest(machine, peer)
        machine.control(DeviceControlBits.softwareReset)
        machine.control(0)
        machine.controller.poll()
        XCTAssertEqual(machine.alternateStatus, DriveStatus.busy, "the peer may still write")
        peer.answer()
        machine.controller.poll()
        XCTAssertEqual(machine.alternateStatus, DriveStatus.idle)
        XCTAssertFalse(machine.controller.isBusy)
    }

    // MARK: Failures

    /// What the host has read before it failed is on its way to the peer: until it is there, the command
    /// has not ended, and the guest cannot use the memory for something else.
    func testAFailedReadEndsWithTheAnswer() throws {
        let machine = try cdMachine()
        let peer = try addPeer(machine)
        defer { peer.isHolding = false }
        machine.faults.add(.init(.error(EIO), operations: [.read], range: 36 * 2048..<37 * 2048))
        // 33 sectors are read at a time.
        machine.setTable([(base, 0x8000), (base + 0x8000, 40 * 2352 - 0x8000)])
        machine.givePacket(TestMachine.readCD(0, count: 40, ReadCDFields.all), isDMA: true)
        machine.start(toMemory: true)
        awaitRequest(machine, peer)
        XCTAssertEqual(machine.events.map(\.action), [.report])
        XCTAssertEqual(
            [machine.bmStatus, machine.alternateStatus],
            [BusMasterStatus.active, DriveStatus.working])
        XCTAssertTrue(machine.controller.isBusy, "guest memory will change")
        peer.answer()
        machine.controller.poll()
        XCTAssertFalse(machine.controller.isBusy)
        XCTAssertEqual(Array(peer.bytes[16..<2064]), Self.content(block: 0))
        XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
        machine.expectFailure(.unrecoveredReadError)
    }

    /// A command that is kept begins again: nothing of it is on its way while the machine is stopped.
    func testWhatIsKeptHasNothingOnItsWay() throws {
        let machine = try machine(.one, DiskOptions(readErrorPolicy: .stop))
        let peer = try addPeer(machine)
        defer { peer.isHolding = false }
        machine.faults.add(.init(.short(512), operations: [.read], count: 1))
        machine.faults.add(.init(.error(EIO), operations: [.read], after: 1, count: 1))
        machine.setTable([(base, 4096)])
        machine.command28(Opcode.readDMA, lba: 8, count: 8)
        machine.start(toMemory: true)
        machine.settle()
        XCTAssertEqual(machine.events.map(\.action), [.stop])
        XCTAssertEqual(peer.requests, 0)
        XCTAssertFalse(machine.controller.isBusy)
        machine.controller.resume()
        awaitRequest(machine, peer)
        peer.answer()
        machine.settle()
        XCTAssertEqual(
            [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
        XCTAssertEqual(Array(peer.bytes[..<4096]), Self.content(sector: 8, count: 8))
    }

    // MARK: Tables

    /// A table is what it is when the bus master is started, also when it is started for the second time
    /// while the first answer is on its way.
    func testATableThatWasAskedForBeforeAStopIsAskedForAgain() throws {
        let machine = try machine()
        let peer = try addPeer(machine)
        defer { peer.isHolding = false }
        let table = Int(0x1000)
        peer.bytes.replaceSubrange(table..<table + 8, with: entry(TestMachine.data, 512))
        machine.controller.writePort(
            TestMachine.busMaster + BusMasterRegister.table, width: 4, value: base + UInt32(table))
        machine.command28(Opcode.readDMA, lba: 5, count: 1)
        machine.start(toMemory: true)
        XCTAssertEqual(peer.requests, 1)
        machine.stop()
        XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData, "armed")
        peer.bytes.replaceSubrange(table..<table + 8, with: entry(TestMachine.data + 0x1000, 512))
        machine.start(toMemory: true)
        peer.answer()
        machine.controller.poll()
        peer.answer()
        machine.settle()
        XCTAssertEqual(
            [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
        XCTAssertEqual(
            machine.bytes(at: TestMachine.data, count: 512), [UInt8](repeating: 0, count: 512),
            "what the table said before")
        XCTAssertEqual(
            machine.bytes(at: TestMachine.data + 0x1000, count: 512), Self.content(sector: 5))
    }

    /// What follows a table is nobody's business: registers are not read, and do not spoil it.
    func testATableThatEndsBeforeRegisters() throws {
        for isOwn in [false, true] {
            let machine = try machine()
            let peer = try addPeer(machine)
            defer { peer.isHolding = false }
            let device = FuzzDevice(isOwn ? .forbidden : .plain)
            try machine.space.map(
                .mmio(
                    device, size: 4096, reentrancy: isOwn ? machine.controller.reentrancy : nil),
                at: GuestAddress(base + UInt32(Self.size)))
            let table = Self.size - 8
            peer.bytes.replaceSubrange(table..<table + 8, with: entry(TestMachine.data, 512))
            machine.controller.writePort(
                TestMachine.busMaster + BusMasterRegister.table, width: 4,
                value: base + UInt32(table))
            machine.command28(Opcode.readDMA, lba: 5, count: 1)
            machine.start(toMemory: true)
            peer.answer()
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle],
                "own: \(isOwn)")
            XCTAssertEqual(machine.bytes(at: TestMachine.data, count: 512), Self.content(sector: 5))
            XCTAssertEqual(device.accesses, 0, "own: \(isOwn)")
        }
    }
}
