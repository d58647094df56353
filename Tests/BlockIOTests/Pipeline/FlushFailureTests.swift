import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// A flush that failed: on a buffered image the kernel may have dropped the data and forgotten it.
final class FlushFailureTests: PipelineTestCase {
    func testAFailureStaysOnABufferedImage() throws {
        try forEachBench(where: { $0.caching == .buffered }) { bench in
            bench.faults.add(.init(.error(EIO), operations: [.flush], count: 1))
            for _ in 0..<3 {
                bench.queue.flush()
                let completion = try bench.finish()[0]
                XCTAssertEqual(completion.failure, .system)
                XCTAssertEqual(completion.errno, EIO)
            }
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 1)
            XCTAssertEqual(bench.queue.statistics.flushes.errors, 3)
            // Another queue on the image is told too, and data still moves.
            try bench.queue.writeAndWait(from: .init(bench.newBytes(at: 0, 512)), at: 0)
            bench.queue.close()
            let next = try bench.configuration.queue(on: bench.image)
            next.flush()
            try next.finish { XCTAssertEqual($0.errno, EIO) }
            try bench.assertMedium()
        }
    }

    /// Nothing was lost, so there is nothing to be remembered.
    func testATransientFailurePasses() throws {
        try forEachBench(where: { $0.caching == .buffered }) { bench in
            bench.faults.add(.init(.transientError(EIO), operations: [.flush], count: 1))
            bench.queue.flush()
            XCTAssertEqual(try bench.finish().map(\.errno), [EIO])
            try bench.queue.flushAndWait()
            // The next one is not taken for it.
            bench.faults.add(.init(.error(ENOSPC), operations: [.flush], count: 1))
            for _ in 0..<2 {
                bench.queue.flush()
                XCTAssertEqual(try bench.finish().map(\.errno), [ENOSPC])
            }
        }
    }

    func testAFailurePassesOnADirectImage() throws {
        try forEachBench(where: { $0.caching == .direct }) { bench in
            bench.faults.add(.init(.error(EIO), operations: [.flush], count: 1))
            bench.queue.flush()
            XCTAssertEqual(try bench.finish().map(\.errno), [EIO])
            try bench.queue.flushAndWait()
            let flushes = bench.queue.statistics.flushes
            XCTAssertEqual([flushes.operations, flushes.errors, flushes.bytes], [1, 1, 0])
        }
    }

    func testAnInterruptedFlushIsNoFailure() throws {
        try forEachBench(where: { $0.target == .tmpfsFile }) { bench in
            bench.faults.add(.init(.error(EINTR), operations: [.flush], count: 3))
            try bench.queue.flushAndWait()
            try bench.queue.flushAndWait()
            XCTAssertEqual(bench.queue.statistics.retries, 3)
        }
    }
}
