import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// A flush that failed: the kernel may have dropped the data, or the device what was in its cache, and
/// neither says so again.
final class FlushFailureTests: PipelineTestCase {
    func testAFailureStays() throws {
        try forEachBench { bench in
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

    /// None succeeds beside one that fails, whichever of them the kernel would have told.
    func testFlushesInFlightFailTogether() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.error(EIO), operations: [.flush], after: 1, count: 1))
            for _ in 0..<4 { bench.queue.flush() }
            // The first had begun before the others were asked for.
            XCTAssertEqual(
                try bench.finish().map(\.errno).sorted(), [0, EIO, EIO, EIO])
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 2)
        }
    }

    /// A cancelled flush leaves the others to another call.
    func testOneOfSeveralFlushesIsCancelled() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.hold, operations: [.flush]))
            let flushes = (0..<4).map { bench.queue.flush(userData: UInt($0)) }
            bench.queue.cancel(flushes[2])
            bench.queue.cancel(flushes[0])
            bench.faults.release()
            var failures: [UInt: BlockError.Code?] = [:]
            while bench.queue.outstanding > 0 {
                bench.queue.poll(minimum: 1) { failures[$0.userData] = $0.failure }
                bench.faults.release()
            }
            XCTAssertEqual(failures, [0: .cancelled, 1: nil, 2: .cancelled, 3: nil])
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
