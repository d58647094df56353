import BlockIO
import XCTest
@testable import TestSupport

/// How many queues an image may have, and what they refuse.
final class QueueLimitTests: ConformanceTestCase {
    private static let size = 1 << 16

    private static func isWanted(_ configuration: Configuration) -> Bool {
        configuration.target == .tmpfsFile && configuration.caching == .direct
    }

    func testAsManyQueuesAsTheLimitAreOpenAtATime() throws {
        try forEachTarget(size: Self.size, where: Self.isWanted) { configuration, target in
            let image = try BlockImage.open(
                target.path,
                OpenOptions(
                    access: .readWrite, engine: .forced(configuration.engine), queueLimit: 3))
            var queues = try (0..<3).map { _ in try configuration.queue(on: image) }
            for _ in 0..<3 {
                XCTAssertThrowsError(try configuration.queue(on: image)) {
                    XCTAssertEqual(($0 as? BlockError)?.code, .tooManyQueues)
                }
                queues.removeFirst().close()
                queues.append(try configuration.queue(on: image))
            }
            let buffer = AlignedBuffer(count: 512)
            for queue in queues {
                try queue.writeAndWait(from: .init(buffer.bytes), at: 512)
                try queue.flushAndWait()
            }
        }
    }

    func testAnImageWithAFormatHasOneQueueForWriting() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: Self.size))
        defer { target.close() }
        let format = try target.stripes().format
        XCTAssertThrowsError(
            try BlockImage.open(
                target.path, OpenOptions(access: .readWrite, format: format, queueLimit: 2))
        ) { XCTAssertEqual(($0 as? BlockError)?.code, .invalidOption) }
        let image = try BlockImage.open(target.path, OpenOptions(format: format, queueLimit: 2))
        let queues = try (0..<3).map { _ in try BlockQueue(image) }
        XCTAssertEqual(queues.count, 3)
    }

    /// Where sectors are blocks, and nobody keeps account of who changes a part of one.
    func testAPartOfABlockIsRefusedWhereQueuesDoNotShareTheirWrites() throws {
        try forEachTarget(size: Self.size, where: Self.isWanted) { configuration, target in
            let image = try BlockImage.open(
                target.path,
                OpenOptions(
                    access: .readWrite, engine: .forced(configuration.engine), queueLimit: 2,
                    alignment: HostAlignment(memory: 512, offset: 512)))
            let queue = try configuration.queue(on: image)
            let buffer = AlignedBuffer(count: 1024)
            let memory = buffer.slice(0, 700)
            queue.write(from: .init(memory), at: 0)
            queue.write(from: .init(buffer.slice(0, 512)), at: 100)
            queue.write(from: .init(buffer.slice(0, 512)), at: 100, durability: .forceUnitAccess)
            queue.discard(at: 100, length: 1024)
            queue.writeZeroes(at: 0, length: 100)
            var failures: [BlockError.Code?] = []
            try queue.finish { failures.append($0.failure) }
            XCTAssertEqual(failures, [BlockError.Code?](repeating: .partialBlock, count: 5))
            // Memory at any address, and reads of anything.
            try queue.writeAndWait(from: .init(buffer.slice(1, 512)), at: 512)
            try queue.readAndWait(into: buffer.slice(3, 700), at: 100)
            try queue.discardAndWait(at: 512, length: 1024)
            try queue.writeZeroesAndWait(at: 0, length: 512)
            XCTAssertEqual(queue.statistics.readModifyWrites, 0)
        }
    }

    /// With a single queue nothing is refused.
    func testAPartOfABlockIsWrittenWhereThereIsOneQueue() throws {
        try forEachTarget(size: Self.size, where: Self.isWanted) { configuration, target in
            let image = try BlockImage.open(
                target.path,
                OpenOptions(
                    access: .readWrite, engine: .forced(configuration.engine),
                    alignment: HostAlignment(memory: 512, offset: 512)))
            let queue = try configuration.queue(on: image)
            let buffer = AlignedBuffer(count: 1024)
            try queue.writeAndWait(from: .init(buffer.slice(0, 700)), at: 0)
            XCTAssertGreaterThan(queue.statistics.readModifyWrites, 0)
        }
    }
}
