import BlockIO
import XCTest
@testable import TestSupport

/// Reads, writes and flushes are counted apart, with their bytes and failures.
final class StatisticsTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    func testCountersTellOperationsApart() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let (block, queue) = (subject.block, subject.queue)
            XCTAssertEqual(queue.statistics.reads.operations, 0)
            XCTAssertEqual(queue.statistics.kernelRequests, 0)
            let buffer = subject.buffer(8 * block)
            for blocks in [1, 2, 4] {
                queue.read(into: buffer.slice(0, blocks * block), at: 0)
            }
            try queue.finish()
            for _ in 0..<2 {
                try queue.writeAndWait(from: .init(buffer.slice(0, 5 * block)), at: 0)
            }
            for _ in 0..<4 { queue.flush { _ in } }
            queue.read(into: buffer.bytes, at: subject.image.size)
            for _ in 0..<2 { queue.write(from: .init(buffer.bytes), at: .max) }
            // Nothing moved, but asked for and done.
            queue.readv(.init(start: nil, count: 0), at: 0)
            try queue.finish()

            let statistics = queue.statistics
            XCTAssertEqual(statistics.reads.operations, 4)
            XCTAssertEqual(statistics.reads.bytes, UInt64(7 * block))
            XCTAssertEqual(statistics.reads.errors, 1)
            XCTAssertEqual(statistics.writes.operations, 2)
            XCTAssertEqual(statistics.writes.bytes, UInt64(10 * block))
            XCTAssertEqual(statistics.writes.errors, 2)
            XCTAssertEqual(statistics.flushes.operations, 4)
            XCTAssertEqual(statistics.flushes.bytes, 0)
            XCTAssertEqual(statistics.flushes.errors, 0)
            let resumed = statistics.retries + statistics.shortTransfers
            // One fdatasync(2) for the first flush, and one for those that came while it ran. A format makes
            // more of a request.
            if subject.configuration.layout == .raw {
                XCTAssertEqual(statistics.kernelRequests - resumed, 3 + 2 + 2)
            }
            XCTAssertEqual(statistics.slotGrowths, 0)

            queue.close()
            queue.flush()
            queue.close()
            XCTAssertEqual(queue.statistics.flushes.errors, 1)
            XCTAssertEqual(queue.statistics.reads, statistics.reads)
        }
    }

    /// A transfer that fails halfway has moved half.
    func testBytesOfFailedTransfersCount() throws {
        try forEachConfiguration(
            size: 1 << 20, where: { !$0.target.isBlockDevice && $0.layout != .striped }
        ) { subject in
            _ = try subject.fillImage()
            let kept = subject.size / 2
            XCTAssertEqual(subject.cut(to: kept), 0)
            defer { XCTAssertEqual(subject.cut(to: subject.size), 0) }
            let buffer = subject.buffer(8192)
            XCTAssertThrowsError(
                try subject.queue.readAndWait(into: buffer.bytes, at: UInt64(kept - 4096)))
            XCTAssertEqual(subject.queue.statistics.reads.bytes, 4096)
            XCTAssertEqual(subject.queue.statistics.reads.operations, 0)
            XCTAssertEqual(subject.queue.statistics.reads.errors, 1)
            XCTAssertGreaterThanOrEqual(subject.queue.statistics.shortTransfers, 1)
        }
    }

    func testSlotsGrowWithRequestsOutstanding() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let buffer = subject.buffer(subject.block)
            var growths: [UInt64] = []
            for count in [300, 300, 2000, 300, 2000] {
                for _ in 0..<count { subject.queue.read(into: buffer.bytes, at: .max - 4095) }
                XCTAssertEqual(subject.queue.outstanding, count)
                try subject.queue.finish()
                growths.append(subject.queue.statistics.slotGrowths)
            }
            XCTAssertEqual(growths[0], 0)
            XCTAssertEqual(growths[1], 0)
            XCTAssertGreaterThan(growths[2], 0)
            XCTAssertEqual(growths[3], growths[2], "slots are not used again")
            XCTAssertGreaterThan(growths[4], growths[3], "slots are not given back")
        }
    }
}
