import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// Each fault alone does what its documentation says.
final class FaultInjectorTests: PipelineTestCase {
    func testAnErrorIsTheAnswerAndNothingIsDone() throws {
        try forEachBench { bench in
            let buffer = AlignedBuffer(count: 4096)
            for errno in [EIO, ENOSPC] {
                bench.faults.add(.init(.error(errno), count: 2))
                bench.queue.read(into: buffer.bytes, at: 0, userData: 1)
                bench.queue.write(from: .init(buffer.bytes), at: 0, userData: 2)
                let completions = try bench.finish()
                XCTAssertEqual(completions.map(\.errno), [errno, errno])
                XCTAssertEqual(completions.map(\.failure), [.system, .system])
                XCTAssertTrue(buffer.isUntouched)
            }
            try bench.assertMedium()
            XCTAssertEqual(try bench.queue.readAndWait(into: buffer.bytes, at: 0), 4096)
            XCTAssertEqual(bench.faults.injectedCount, 4)
        }
    }

    func testAShortTransferIsFinishedByAnother() throws {
        try forEachBench { bench in
            for limit in [1, 511, 4096, 8191] {
                for verb in [BlockIO.BlockOperation.read, .write] {
                    bench.faults.add(.init(.short(limit), operations: [verb], count: 1))
                }
                let target = AlignedBuffer(count: 8192)
                try bench.queue.writeAndWait(from: .init(bench.newBytes(at: 4096, 8192)), at: 4096)
                try bench.queue.readAndWait(into: target.bytes, at: 4096)
                XCTAssertTrue(sameBytes(target.bytes, bench.expected.slice(4096, 8192)))
            }
            try bench.assertMedium()
            let statistics = bench.queue.statistics
            XCTAssertEqual(statistics.shortTransfers, 8)
            XCTAssertEqual([statistics.reads.operations, statistics.writes.operations], [4, 4])
        }
    }

    func testAShortTransferOfNothingIsTheEndOfTheMedium() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.short(0), count: 1))
            bench.queue.write(from: .init(bench.newBytes(at: 0, 4096)), at: 0)
            let completions = try bench.finish()
            XCTAssertEqual(completions.map(\.failure), [.endOfMedium])
            XCTAssertEqual(completions.map(\.transferred), [0])
            try bench.assertMedium("it is done, and only the answer is short")
        }
    }

    func testADelayedOperationComesLater() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.delay(.milliseconds(20)), count: 1))
            let buffer = AlignedBuffer(count: 512)
            let start = ContinuousClock.now
            bench.queue.read(into: buffer.bytes, at: 0, userData: 1)
            bench.queue.read(into: buffer.bytes, at: 512, userData: 2)
            XCTAssertEqual(try bench.finish().map(\.userData), [2, 1])
            XCTAssertGreaterThanOrEqual(ContinuousClock.now - start, .milliseconds(20))
        }
    }

    func testTheAnswerIsHeldBackUntilAnotherHasCome() throws {
        try forEachBench { bench in
            let buffer = AlignedBuffer(count: 4096)
            bench.faults.add(.init(.reorder, count: 2))
            bench.queue.read(into: buffer.slice(0, 512), at: 0, userData: 1)
            bench.queue.read(into: buffer.slice(512, 512), at: 512, userData: 2)
            bench.queue.read(into: buffer.slice(1024, 512), at: 1024, userData: 3)
            XCTAssertEqual(try bench.finish().first?.userData, 3)
            bench.faults.add(.init(.reorder, count: 1))
            bench.queue.read(into: buffer.bytes, at: 0)
            XCTAssertEqual(try bench.finish().count, 1, "there is no other")
        }
    }

    func testRefusedOperationsAreGivenAgainInOrder() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.refuse, count: 5))
            let buffer = AlignedBuffer(count: 4096)
            for index in 0..<8 {
                bench.queue.read(
                    into: buffer.slice(index * 512, 512), at: UInt64(index * 512),
                    userData: UInt(index))
            }
            let completions = try bench.finish()
            XCTAssertEqual(Set(completions.map(\.userData)), Set(0..<8))
            XCTAssertTrue(completions.allSatisfy(\.isSuccess))
            XCTAssertTrue(sameBytes(buffer.bytes, bench.expected.slice(0, 4096)))
            XCTAssertEqual(bench.faults.injectedCount, 5)
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 8)
        }
    }

    func testAFlippedByteIsNoticedByACheckOfTheContent() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.flipByte, operations: [.read], count: 1))
            let list = bench.list([1, 4095, 8192, 300, 212])
            bench.queue.readv(list.vectors, at: 512)
            XCTAssertEqual(try bench.finish().map(\.isSuccess), [true])
            let wanted = bench.expected.slice(512, list.total)
            XCTAssertFalse(list.holds(wanted))
            let found = list.gathered().bytes
            let wrong = found.indices.filter { found[$0] != wanted[$0] }
            XCTAssertEqual(wrong.count, 1)
            XCTAssertEqual(wrong.map { ~found[$0] }, wrong.map { wanted[$0] })
            XCTAssertTrue(list.guardsAreIntact)
        }
    }
}
