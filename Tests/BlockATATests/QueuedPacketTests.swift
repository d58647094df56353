import BlockATA
import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import XCTest
@testable import TestSupport

/// A packet command among other tags.
final class QueuedPacketTests: CarrierTestCase {
    /// The bit of the features register of PACKET.
    private static let byDMA: UInt8 = 1
    private static let data: UInt64 = 0x10_0000

    /// READ (10) by DMA.
    private func read(_ block: UInt8, count: UInt8, tag: Int) throws {
        let bytes = Int(count) * 2048
        try describe([(Self.data, bytes / 2), (Self.data + 0x8_0000, bytes / 2)], tag: tag)
        carrier.toSend[tag] = [PacketOpcode.read10, 0, 0, 0, 0, block, 0, 0, count, 0, 0, 0]
        carrier.give(Opcode.packet, tag: tag, features: Self.byDMA)
    }

    private func data(_ count: Int) throws -> [UInt8] {
        try read(count / 2, at: Self.data) + read(count / 2, at: Self.data + 0x8_0000)
    }

    func testStoppingAnotherTagLeavesAKeptPacketAlone() throws {
        try plugInDisc(CDROMOptions(readErrorPolicy: .stop))
        faults.add(.init(.error(EIO), operations: [.read], count: 1))
        try read(3, count: 2, tag: 1)
        XCTAssertTrue(carrier.wait { !carrier.failures.isEmpty })
        XCTAssertEqual(carrier.failures.map(\.tag), [1])
        for tag in [0, 2] { carrier.drive.pointee.stop(tag: tag, on: carrier) }
        XCTAssertEqual(carrier.ended.map(\.tag), [])
        carrier.resume()
        let ends = waitForEnds(1)
        assertGood(ends[1])
        XCTAssertEqual(try data(4096), Self.content(sector: 12, count: 8))
    }

    func testStoppingAKeptPacketEndsIt() throws {
        try plugInDisc(CDROMOptions(readErrorPolicy: .stop))
        faults.add(.init(.error(EIO), operations: [.read], count: 1))
        try read(3, count: 2, tag: 1)
        XCTAssertTrue(carrier.wait { !carrier.failures.isEmpty })
        carrier.drive.pointee.stop(tag: 1, on: carrier)
        assertFailed(waitForEnds(1)[1], error: DriveError.aborted, .failure)
        carrier.resume()
        XCTAssertEqual(carrier.ended.map(\.tag), [])
    }

    /// The end of the command that has lost its disc leads at once to a read of the new one.
    func testTheNewDiscIsReadFromWithinTheEnd() throws {
        let cdrom = try plugInDisc()
        let other = try BlockImage.open(image.path, OpenOptions())
        let held = faults.add(.init(.hold, operations: [.read]))
        try read(3, count: 2, tag: 0)
        try carrier.drive.pointee.changeMedium(
            CDMedium(other, cdrom.queueOptions, cdrom.descriptors))
        try describe([(Self.data, 2048), (Self.data + 0x8_0000, 2048)], tag: 1)
        var packets: [[UInt8]] = [
            [PacketOpcode.testUnitReady], [PacketOpcode.testUnitReady],
            [PacketOpcode.read10, 0, 0, 0, 0, 7, 0, 0, 2],
        ]
        carrier.onEnd = { [unowned self] _ in
            guard !packets.isEmpty else { return }
            let packet = packets.removeFirst()
            carrier.toSend[1] = packet + [UInt8](repeating: 0, count: 12 - packet.count)
            carrier.give(Opcode.packet, tag: 1, features: Self.byDMA)
        }
        faults.remove(held)
        faults.release()
        let isOver = carrier.wait { carrier.ended.count == 4 }
        carrier.onEnd = nil
        XCTAssertTrue(isOver)
        // The disc has gone, it is not there, there is another one, and that is read.
        XCTAssertEqual(carrier.ended.map(\.tag), [0, 1, 1, 1])
        XCTAssertEqual(
            carrier.ended.map(\.end.error),
            [PacketError.notReady, PacketError.notReady, PacketError.unitAttention, 0])
        XCTAssertEqual(try data(4096), Self.content(sector: 28, count: 8))
    }

    func testDeviceResetOnAnotherTagWaitsForTheHost() throws {
        try plugInDisc()
        let held = faults.add(.init(.hold, operations: [.read]))
        try read(3, count: 2, tag: 1)
        carrier.give(Opcode.deviceReset, tag: 2)
        XCTAssertEqual(carrier.registers[2].status, DriveStatus.busy)
        faults.remove(held)
        faults.release()
        XCTAssertTrue(carrier.wait { carrier.registers[2].status != DriveStatus.busy })
        XCTAssertEqual(carrier.ended.map(\.tag), [])
        XCTAssertFalse(carrier.drive.pointee.isBusy)
        try read(7, count: 1, tag: 0)
        assertGood(waitForEnds(1)[0])
        XCTAssertEqual(try data(2048), Self.content(sector: 28, count: 4))
    }
}
