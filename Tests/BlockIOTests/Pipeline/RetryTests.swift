import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// Answers of the kernel that are not the last word, and those that are.
final class RetryTests: PipelineTestCase {
    func testInterruptedAndRefusedOperationsAreRepeated() throws {
        for errno in [EINTR, EAGAIN, ECANCELED] {
            try forEachBench { bench in
                bench.faults.add(.init(.error(errno), count: 5))
                try bench.queue.writeAndWait(from: .init(bench.newBytes(at: 0, 512)), at: 0)
                try bench.assertMedium()
                XCTAssertEqual(bench.queue.statistics.retries, 5)
                XCTAssertEqual(bench.queue.statistics.writes.errors, 0)
            }
        }
    }

    func testWhatIsInterruptedForEverFails() throws {
        for errno in [EINTR, EAGAIN] {
            try forEachBench { bench in
                bench.faults.add(.init(.error(errno)))
                let buffer = AlignedBuffer(count: 512)
                bench.queue.read(into: buffer.bytes, at: 0)
                XCTAssertEqual(try bench.finish().map(\.errno), [errno])
            }
        }
    }

    /// EINVAL may mean that the device demands another alignment than it did.
    func testTheFirstEINVALAsksForTheAlignmentAgain() throws {
        try forEachBench(where: { $0.caching == .direct }) { bench in
            let buffer = AlignedBuffer(count: 8192)
            for verb in [BlockIO.BlockOperation.read, .write, .flush] {
                bench.faults.add(.init(.error(EINVAL), operations: [verb], count: 1))
            }
            try bench.queue.readAndWait(into: buffer.bytes, at: 4096)
            XCTAssertTrue(sameBytes(buffer.bytes, bench.expected.slice(4096, 8192)))
            try bench.queue.writeAndWait(from: .init(bench.newBytes(at: 4096, 9000)), at: 4096)
            try bench.assertMedium()
            try bench.queue.flushAndWait()
            XCTAssertEqual(bench.queue.statistics.retries, 3)
            XCTAssertEqual(bench.faults.injectedCount, 3)
        }
    }

    func testEINVALAgainIsAnError() throws {
        try forEachBench(where: { $0.caching == .direct }) { bench in
            bench.faults.add(.init(.error(EINVAL)))
            let buffer = AlignedBuffer(count: 4096)
            bench.queue.read(into: buffer.bytes, at: 0)
            bench.queue.write(from: .init(buffer.bytes), at: 100)
            bench.queue.flush()
            let completions = try bench.finish()
            XCTAssertEqual(completions.map(\.errno), [EINVAL, EINVAL, EINVAL])
            XCTAssertEqual(bench.faults.injectedCount, 6)
            try bench.assertMedium()
        }
    }

    func testAWriteThatCannotBeDurableIsFollowedByAFlush() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.error(EOPNOTSUPP), operations: [.write], count: 1))
            for place in [0, 512] {
                try bench.queue.writeAndWait(
                    from: .init(bench.newBytes(at: place, 512)), at: UInt64(place),
                    durability: .forceUnitAccess)
            }
            try bench.assertMedium()
            let statistics = bench.queue.statistics
            XCTAssertEqual(statistics.fallbacks, 1)
            XCTAssertEqual(statistics.kernelRequests, 5, "write, write, sync; write, sync")
            XCTAssertEqual(statistics.flushes.operations, 0)
        }
    }

    func testAnEINVALOfTheFlushAfterAWriteRepeatsOnlyTheFlush() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.error(EOPNOTSUPP), operations: [.write], count: 1))
            bench.faults.add(.init(.error(EINVAL), operations: [.flush], count: 1))
            try bench.queue.writeAndWait(
                from: .init(bench.newBytes(at: 0, 512)), at: 0, durability: .forceUnitAccess)
            try bench.assertMedium()
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 4, "write, write, sync, sync")
        }
    }

    func testAFailedFlushAfterAWriteFailsTheWrite() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.error(EOPNOTSUPP), operations: [.write], count: 1))
            bench.faults.add(.init(.error(EIO), operations: [.flush], count: 1))
            let bytes = bench.newBytes(at: 0, 512)
            bench.queue.write(from: .init(bytes), at: 0, durability: .forceUnitAccess)
            XCTAssertEqual(try bench.finish().map(\.errno), [EIO])
        }
    }
}
