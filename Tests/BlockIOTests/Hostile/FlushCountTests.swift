import BlockIO
import XCTest
@testable import TestSupport

/// What durable writes and flushes make of a device's cache, counted by the device.
///
/// A loop device has a volatile cache, the page cache of its file or its file's disk's, and no FUA:
/// the kernel makes a flush of that.
final class FlushCountTests: HostileTestCase {
    func testDurableWritesAndFlushesReachTheDevice() throws {
        for setup in EngineSetup.all {
            let loop = try orSkip(LoopDevice(size: 1 << 20))
            defer { loop.close() }
            let image = try setup.open(loop.path)
            let queue = try BlockQueue(image)
            defer { queue.close() }
            let buffer = AlignedBuffer(count: 8192)
            let block = UnsafeRawBufferPointer(buffer.slice(0, 4096))

            for number in 0..<16 {
                let offset = UInt64(number << 12)
                try expectFlushes(of: loop, "\(setup), write", isNone: true) {
                    try queue.writeAndWait(from: block, at: offset)
                }
            }
            for number in 0..<8 {
                let offset = UInt64(number << 12)
                try expectFlushes(of: loop, "\(setup), durable write") {
                    try queue.writeAndWait(from: block, at: offset, durability: .forceUnitAccess)
                }
            }
            // By way of a bounce buffer, and of a read of what is around.
            for number in 0..<4 {
                let part = UnsafeRawBufferPointer(buffer.slice(3, 700))
                try expectFlushes(of: loop, "\(setup), misaligned durable write") {
                    try queue.writeAndWait(
                        from: part, at: UInt64(number << 13 + 100), durability: .forceUnitAccess)
                }
            }
            for _ in 0..<4 {
                try queue.writeAndWait(from: block, at: 0)
                try expectFlushes(of: loop, "\(setup), flush") { try queue.flushAndWait() }
            }
            // Without anything to flush the device is asked all the same: others may have written.
            try expectFlushes(of: loop, "\(setup), second flush") { try queue.flushAndWait() }
        }
    }

    /// Runs `body` and looks at the count of flushes before and after.
    private func expectFlushes(
        of loop: LoopDevice, _ what: String, isNone: Bool = false, line: UInt = #line,
        _ body: () throws -> Void
    ) throws {
        let before = try flushes(of: loop)
        try body()
        let count = try flushes(of: loop) - before
        if isNone {
            XCTAssertEqual(count, 0, what, line: line)
        } else {
            XCTAssertGreaterThan(count, 0, what, line: line)
        }
    }

    /// Field 16 of /sys/block/loopN/stat (Documentation/block/stat.rst).
    private func flushes(of loop: LoopDevice) throws -> Int {
        let fields = SysBlock.attribute("stat", of: loop.name)?.split(separator: " ") ?? []
        guard fields.count > 15, let count = Int(fields[15]) else {
            throw FixtureError.missing("counts of flushes in /sys/block (Linux 5.5)")
        }
        return count
    }
}
