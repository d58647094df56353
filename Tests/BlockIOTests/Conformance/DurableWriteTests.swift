import BlockIO
import XCTest
@testable import TestSupport

/// Writes that are stable when they complete (FUA), and what reaches the device for them.
final class DurableWriteTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let size = 1 << 20

    func testDurableWritesMoveTheRightBytes() throws {
        try forEachConfiguration(size: size) { subject in
            let block = subject.block
            let content = subject.buffer(40 * block)
            content.fill(using: &subject.random)
            var ledger = Ledger(count: 20)
            let vectors = (0..<40).map {
                iovec(iov_base: content.bytes.baseAddress! + $0 * block, iov_len: block)
            }
            try vectors.withUnsafeBufferPointer { vectors in
                for index in 0..<20 {
                    let two = UnsafeBufferPointer(rebasing: vectors[2 * index...2 * index + 1])
                    subject.queue.writev(
                        two, at: UInt64(2 * index * block), durability: .forceUnitAccess,
                        userData: UInt(index))
                }
                try subject.queue.finish { ledger.note($0) }
            }
            ledger.assertAllSucceeded()
            try subject.queue.writeAndWait(
                from: .init(content.bytes), at: UInt64(subject.size - content.count),
                durability: .forceUnitAccess)
            try subject.queue.writeAndWait(from: .init(content.slice(0, block)), at: 0)
            let statistics = subject.queue.statistics
            XCTAssertEqual(statistics.writes.operations, 22)
            XCTAssertEqual(statistics.durableWrites.operations, 21)
            XCTAssertEqual(statistics.durableWrites.bytes, UInt64(80 * block))
            for place in [0, subject.size - content.count] {
                let found = try subject.plainFile().contents(at: place, content.count)
                XCTAssertTrue(sameBytes(found.bytes, content.bytes))
            }
        }
    }

    /// A loop device has a volatile cache and no FUA of its own, so the kernel flushes after each
    /// durable write; a volatile write flushes nothing.
    func testTheDeviceIsFlushedForDurableWritesAndFlushesOnly() throws {
        try forEachConfiguration(size: size, where: { $0.target.isLoop }) { subject in
            let device = String(subject.target.path.dropFirst("/dev/".count))
            XCTAssertEqual(SysBlock.attribute("queue/write_cache", of: device), "write back")
            XCTAssertEqual(SysBlock.attribute("queue/fua", of: device), "0")
            let buffer = subject.buffer(subject.block)
            let queue = subject.queue
            try queue.flushAndWait()

            func flushes(_ body: () throws -> Void) throws -> Int {
                let before = try deviceFlushes(device)
                for _ in 0..<5 { try body() }
                return try deviceFlushes(device) - before
            }
            let volatile = try flushes { try queue.writeAndWait(from: .init(buffer.bytes), at: 0) }
            let durable = try flushes {
                try queue.writeAndWait(
                    from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
            }
            let flushed = try flushes { try queue.flushAndWait() }
            let length = UInt64(subject.block)
            let zeroes = try flushes { try queue.writeZeroesAndWait(at: 0, length: length) }
            let durableZeroes = try flushes {
                try queue.writeZeroesAndWait(at: 0, length: length, options: .forceUnitAccess)
            }
            XCTAssertEqual([volatile, zeroes], [0, 0])
            XCTAssertGreaterThanOrEqual(durableZeroes, 5)
            XCTAssertGreaterThanOrEqual(durable, 5)
            XCTAssertGreaterThanOrEqual(flushed, 5)
        }
    }

    /// The 16th number of /sys/block/DEVICE/stat: flushes completed.
    private func deviceFlushes(_ device: String) throws -> Int {
        let numbers = try XCTUnwrap(SysBlock.attribute("stat", of: device)).split(separator: " ")
        return try XCTUnwrap(numbers.count > 15 ? Int(numbers[15]) : nil)
    }
}

extension StorageTarget.Kind {
    fileprivate var isLoop: Bool { self == .loop512 || self == .loop4096 }
}
