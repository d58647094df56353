import BlockATA
import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import XCTest
@testable import TestSupport

/// Several commands of a disk at the same time, each with a tag.
final class QueuedCommandTests: CarrierTestCase {
    /// The bit of the features register of DATA SET MANAGEMENT (ACS-2 7.9).
    private static let trim: UInt8 = 1
    private static let data: [UInt64] = [0x10_0000, 0x20_0000, 0x30_0000]

    private func describe(_ bytes: Int, tag: Int) throws {
        // A gap lies between the two runs.
        try describe(
            [(Self.data[tag], bytes / 2), (Self.data[tag] + 0x8_0000, bytes - bytes / 2)],
            tag: tag)
    }

    private func data(_ bytes: Int, tag: Int) throws -> [UInt8] {
        try read(bytes / 2, at: Self.data[tag])
            + read(bytes - bytes / 2, at: Self.data[tag] + 0x8_0000)
    }

    func testThreeReadsInFlightEndInAnotherOrder() throws {
        try plugIn()
        let held = faults.add(.init(.hold, operations: [.read], range: 0..<(16 * 512)))
        for tag in 0..<3 {
            try describe(8192, tag: tag)
            carrier.give(Opcode.readDMAExt, tag: tag, sector: UInt64(tag * 100), count: 16)
        }
        let firsts = waitForEnds(2)
        XCTAssertEqual(Set(firsts.keys), [1, 2])
        XCTAssertEqual(carrier.registers[0].status, DriveStatus.working)
        XCTAssertTrue(carrier.drive.pointee.isBusy)
        faults.remove(held)
        faults.release()
        let last = waitForEnds(1)
        for (tag, end) in firsts.merging(last, uniquingKeysWith: { first, _ in first }) {
            assertGood(end)
            XCTAssertEqual(end.transfer, .success)
            XCTAssertEqual(
                try data(8192, tag: tag), Self.content(sector: tag * 100, count: 16), "\(tag)")
            XCTAssertEqual(
                carrier.registers[tag].taskFile.address48, UInt64(tag * 100 + 16), "\(tag)")
            XCTAssertEqual(carrier.registers[tag].taskFile.count.word, 0, "\(tag)")
        }
        XCTAssertFalse(carrier.drive.pointee.isBusy)
    }

    func testAReadBesideAWrite() throws {
        try plugIn()
        let new = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try write(Array(new[..<2048]), at: Self.data[2])
        try write(Array(new[2048...]), at: Self.data[2] + 0x8_0000)
        try describe(4096, tag: 2)
        try describe(4096, tag: 1)
        let held = faults.add(.init(.hold))
        carrier.give(Opcode.writeDMAExt, tag: 2, sector: 300, count: 8)
        carrier.give(Opcode.readDMAExt, tag: 1, sector: 40, count: 8)
        carrier.poll()
        XCTAssertTrue(carrier.ended.isEmpty)
        faults.remove(held)
        faults.release()
        let ends = waitForEnds(2)
        assertGood(ends[1])
        assertGood(ends[2])
        XCTAssertEqual(try data(4096, tag: 1), Self.content(sector: 40, count: 8))
        XCTAssertEqual(try medium(sector: 300, count: 8), new)
    }

    func testFlushAndTrimHaveTheirTags() throws {
        try plugIn()
        carrier.give(Opcode.flushCacheExt, tag: 1)
        let flush = waitForEnds(1)
        assertGood(flush[1])
        XCTAssertEqual(flush[1]?.transfer, nil)
        XCTAssertTrue(image.capabilities.contains(.discard))
        var ranges = [UInt8](repeating: 0, count: 512)
        withUnsafeBytes(of: (UInt64(64) | 8 << 48).littleEndian) {
            ranges.replaceSubrange(0..<8, with: $0)
        }
        try write(Array(ranges[..<256]), at: Self.data[2])
        try write(Array(ranges[256...]), at: Self.data[2] + 0x8_0000)
        try describe(512, tag: 2)
        try describe(4096, tag: 0)
        carrier.give(Opcode.dataSetManagement, tag: 2, count: 1, features: Self.trim)
        carrier.give(Opcode.readDMAExt, tag: 0, sector: 80, count: 8)
        let ends = waitForEnds(2)
        assertGood(ends[0])
        assertGood(ends[2])
        XCTAssertEqual(ends[2]?.transfer, .success)
        XCTAssertEqual(
            try medium(sector: 63, count: 10),
            Self.content(sector: 63, count: 1) + [UInt8](repeating: 0, count: 4096)
                + Self.content(sector: 72, count: 1))
    }

    func testDataThroughTheWindow() throws {
        try plugIn(DiskOptions(serial: "TAGS"))
        carrier.give(Opcode.identifyDevice, tag: 2)
        XCTAssertEqual(carrier.takeEnded().map(\.tag), [2])
        let page = try XCTUnwrap(carrier.received[2])
        XCTAssertEqual(page.count, 512)
        XCTAssertEqual(page[20..<24].map { $0 }, Array("ATSG".utf8))
        XCTAssertEqual([page[186], page[187]], [0, 0], "there is no cable")
        let new = (0..<1024).map { UInt8(truncatingIfNeeded: $0 &* 3) }
        carrier.toSend[0] = new
        carrier.give(Opcode.writeSectorsExt, tag: 0, sector: 9, count: 2)
        assertGood(waitForEnds(1)[0])
        XCTAssertEqual(try medium(sector: 9, count: 2), new)
    }

    // MARK: Errors

    func testAnErrorConcernsItsTagOnly() throws {
        try plugIn()
        faults.add(.init(.error(EIO), operations: [.read], range: (100 * 512)..<(108 * 512)))
        for tag in 0..<3 {
            try describe(4096, tag: tag)
            carrier.give(Opcode.readDMAExt, tag: tag, sector: UInt64(tag * 100), count: 8)
        }
        let ends = waitForEnds(3)
        assertGood(ends[0])
        assertFailed(ends[1], error: DriveError.uncorrectable, .failure)
        assertGood(ends[2])
        XCTAssertEqual(carrier.failures.map(\.tag), [1])
        XCTAssertEqual(carrier.failures.map(\.action), [.report])
        XCTAssertEqual(carrier.registers[1].taskFile.address48, 100)
        XCTAssertEqual(carrier.registers[1].taskFile.count.word, 8)
        XCTAssertEqual(try data(4096, tag: 2), Self.content(sector: 200, count: 8))
    }

    func testAnAddressOutsideTheDisk() throws {
        try plugIn()
        try describe(4096, tag: 0)
        try describe(4096, tag: 1)
        carrier.give(
            Opcode.readDMAExt, tag: 0, sector: UInt64(Self.sectors - 4), count: 8)
        carrier.give(Opcode.readDMAExt, tag: 1, sector: 8, count: 8)
        let ends = waitForEnds(2)
        assertFailed(ends[0], error: DriveError.addressNotFound, .failure)
        assertGood(ends[1])
        XCTAssertEqual(carrier.registers[0].taskFile.address48, UInt64(Self.sectors))
    }

    func testAListThatIsTooShortOrNotThere() throws {
        try plugIn()
        try describe(2048, tag: 0)
        carrier.lists[1] = GuestAddress(UInt64(Self.memorySize))
        carrier.give(Opcode.readDMAExt, tag: 0, count: 8)
        carrier.give(Opcode.readDMAExt, tag: 1, count: 8)
        let ends = waitForEnds(2)
        XCTAssertEqual(ends[0]?.status, DriveStatus.idle)
        XCTAssertEqual(ends[0]?.isInterrupting, false)
        XCTAssertEqual(ends[0]?.transfer, .failure)
        assertFailed(ends[1], error: DriveError.aborted, .fault)
        XCTAssertEqual(try data(2048, tag: 0), [UInt8](repeating: 0, count: 2048))
    }

    func testStoppedByPolicyAndResumed() throws {
        try plugIn(DiskOptions(readErrorPolicy: .stop))
        faults.add(
            .init(.error(EIO), operations: [.read], range: (200 * 512)..<(208 * 512), count: 1))
        for tag in 0..<3 {
            try describe(4096, tag: tag)
            carrier.give(Opcode.readDMAExt, tag: tag, sector: UInt64(tag * 100), count: 8)
        }
        XCTAssertEqual(Set(waitForEnds(2).keys), [0, 1])
        XCTAssertTrue(carrier.wait { !carrier.failures.isEmpty })
        XCTAssertEqual(carrier.failures.map(\.action), [.stop])
        XCTAssertFalse(carrier.drive.pointee.isBusy)
        XCTAssertEqual(carrier.registers[2].status, DriveStatus.working)
        // Another command is not in the way of the one that is kept.
        carrier.give(Opcode.readDMAExt, tag: 0, sector: 7, count: 8)
        assertGood(waitForEnds(1)[0])
        carrier.resume()
        assertGood(waitForEnds(1)[2])
        XCTAssertEqual(try data(4096, tag: 2), Self.content(sector: 200, count: 8))
        XCTAssertEqual(try data(4096, tag: 0), Self.content(sector: 7, count: 8))
    }

    // MARK: Stops, resets and memory

    func testOneTagIsStopped() throws {
        try plugIn()
        let held = faults.add(.init(.hold))
        for tag in 0..<2 {
            try describe(4096, tag: tag)
            carrier.give(Opcode.readDMAExt, tag: tag, sector: UInt64(tag * 10), count: 8)
        }
        // What the host has begun, it ends.
        carrier.drive.pointee.stop(tag: 0, on: carrier)
        faults.remove(held)
        faults.release()
        let ends = waitForEnds(2)
        assertGood(ends[0])
        assertGood(ends[1])
    }

    func testAResetWithCommandsInFlight() throws {
        try plugIn()
        let held = faults.add(.init(.hold))
        for tag in 0..<3 {
            try describe(4096, tag: tag)
            carrier.give(Opcode.readDMAExt, tag: tag, sector: UInt64(tag * 10), count: 8)
        }
        carrier.reset()
        XCTAssertTrue(carrier.drive.pointee.isBusy)
        faults.remove(held)
        faults.release()
        XCTAssertTrue(carrier.wait { !carrier.drive.pointee.isBusy })
        XCTAssertTrue(carrier.ended.isEmpty, "a command that was dropped has ended")
        XCTAssertEqual(carrier.mapper.statistics.active, 0)
        carrier.give(Opcode.readDMAExt, tag: 1, sector: 50, count: 8)
        assertGood(waitForEnds(1)[1])
        XCTAssertEqual(try data(4096, tag: 1), Self.content(sector: 50, count: 8))
    }

    func testACommandGivenWhenAnotherEnds() throws {
        try plugIn()
        try describe(4096, tag: 0)
        try describe(4096, tag: 1)
        let carrier = carrier!
        carrier.onEnd = { tag in
            guard tag == 0 else { return }
            carrier.give(Opcode.readDMAExt, tag: 1, sector: 60, count: 8)
        }
        defer { carrier.onEnd = nil }
        carrier.give(Opcode.readDMAExt, tag: 0, sector: 30, count: 8)
        let ends = waitForEnds(2)
        assertGood(ends[0])
        assertGood(ends[1])
        XCTAssertEqual(try data(4096, tag: 1), Self.content(sector: 60, count: 8))
    }

    func testMemoryThatHasGone() throws {
        try GuestRAM.surviveTruncation()
        try plugIn()
        let size = 16 * 4096
        let base: UInt64 = 0x100_0000
        let peer = try PeerFile(size: size, fill: 0xEE)
        try space.map(
            .ram(try GuestRAM(descriptor: peer.descriptor, size: size)), at: GuestAddress(base))
        try describe([(base, 4096)], tag: 0)
        try describe(4096, tag: 1)
        try peer.shorten(to: 0)
        carrier.give(Opcode.readDMAExt, tag: 0, sector: 5, count: 8)
        carrier.give(Opcode.readDMAExt, tag: 1, sector: 15, count: 8)
        let ends = waitForEnds(2)
        assertFailed(ends[0], error: DriveError.aborted, .fault)
        assertGood(ends[1])
        XCTAssertEqual(try data(4096, tag: 1), Self.content(sector: 15, count: 8))
    }
}
