import BlockIO
import XCTest
@testable import TestSupport

/// Images opened for reading.
final class ReadOnlyImageTests: ConformanceTestCase {
    func testWritesAreRefusedAndMoveNothing() throws {
        try onEveryTarget { image, configuration, target in
            let queue = try configuration.queue(on: image)
            let buffer = AlignedBuffer(count: 8192)
            queue.write(from: .init(buffer.bytes), at: 0)
            queue.write(from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
            var failures: [BlockError.Code?] = []
            queue.poll { failures.append($0.failure) }
            XCTAssertEqual(failures, [.readOnly, .readOnly])
            XCTAssertEqual(queue.statistics.kernelRequests, 0)
            XCTAssertEqual(queue.statistics.writes.errors, 2)

            try queue.readAndWait(into: buffer.bytes, at: 0)
            XCTAssertTrue(buffer.bytes.allSatisfy { $0 == 0 })
            try queue.flushAndWait()
        }
    }

    func testSeveralQueuesShareTheImage() throws {
        try onEveryTarget { image, configuration, _ in
            let queues = try (0..<3).map { _ in try configuration.queue(on: image) }
            let buffer = AlignedBuffer(count: 3 * 4096)
            for (index, queue) in queues.enumerated() {
                queue.read(into: buffer.slice(index * 4096, 4096), at: 0, userData: UInt(index))
            }
            for (index, queue) in queues.enumerated().reversed() {
                var found: [UInt] = []
                try queue.finish { found.append($0.userData) }
                XCTAssertEqual(found, [UInt(index)])
            }
            queues[1].close()
            try queues[0].readAndWait(into: buffer.slice(0, 4096), at: 0)
        }
    }

    /// Somebody makes the file longer: each queue notices, not only the first that asks.
    func testEveryQueueSeesThatTheFileHasGrown() throws {
        let (before, after) = (1 << 20, 2 << 20)
        try forEachTarget(size: before, where: { !$0.target.isBlockDevice }) {
            configuration, target in
            try SystemCall.check(SystemCall.result(truncate(target.path, before)), "truncate")
            let image = try configuration.open(target, access: .readOnly)
            let queues = try (0..<3).map { _ in try configuration.queue(on: image) }
            let buffer = AlignedBuffer(count: 4096)
            // The queues have seen the size that was.
            for queue in queues {
                XCTAssertThrowsError(try queue.readAndWait(into: buffer.bytes, at: UInt64(before)))
            }
            try SystemCall.check(SystemCall.result(truncate(target.path, after)), "truncate")
            for (index, queue) in queues.enumerated() {
                buffer.fill(1)
                XCTAssertNoThrow(
                    try queue.readAndWait(into: buffer.bytes, at: UInt64(after - 4096)),
                    "queue \(index)")
                XCTAssertTrue(buffer.bytes.allSatisfy { $0 == 0 }, "queue \(index)")
            }
            XCTAssertEqual(image.size, UInt64(after))
        }
    }

    private func onEveryTarget(
        _ check: (BlockImage, Configuration, StorageTarget) throws -> Void
    ) throws {
        try forEachTarget(size: 1 << 20) { configuration, target in
            try check(configuration.open(target, access: .readOnly), configuration, target)
        }
    }
}
