import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// Cancelling a request wherever it may be: one completion, and nothing done that need not be.
final class CancelTests: PipelineTestCase {
    private static let pages = HostAlignment(memory: 4096, offset: 4096)

    func testHeldByTheEngine() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.hold))
            let buffer = AlignedBuffer(count: 512)
            let ids = (1...3).map {
                bench.queue.write(from: .init(buffer.bytes), at: 0, userData: $0)
            }
            bench.queue.cancel(ids[1])
            XCTAssertEqual(bench.next().map(\.userData), [2])
            bench.queue.cancel(ids[1])
            bench.queue.cancel(ids[0])
            bench.queue.cancel(ids[2])
            let rest = try bench.finish()
            XCTAssertEqual(Set(rest.map(\.userData)), [1, 3])
            XCTAssertTrue(rest.allSatisfy { $0.failure == .cancelled && $0.transferred == 0 })
            XCTAssertEqual(bench.queue.statistics.writes.errors, 3)
            try bench.assertMedium()
        }
    }

    /// Not submitted yet, refused by the engine, and beyond the queue's depth.
    func testPending() throws {
        try forEachBench(Bench.Setup(depth: 1)) { bench in
            let buffer = AlignedBuffer(count: 512)
            bench.queue.batch {
                bench.queue.cancel(bench.queue.write(from: .init(buffer.bytes), at: 0))
            }
            XCTAssertEqual(try bench.finish().map(\.failure), [.cancelled])
            XCTAssertEqual(bench.faults.injectedCount, 0)

            let refuse = bench.faults.add(.init(.refuse))
            let refused = bench.queue.write(from: .init(buffer.bytes), at: 0)
            XCTAssertTrue(bench.isQuiet())
            bench.queue.cancel(refused)
            XCTAssertEqual(try bench.finish().map(\.failure), [.cancelled])
            bench.faults.remove(refuse)
            try bench.assertMedium()

            let ids = (0..<10).map {
                bench.queue.read(into: buffer.bytes, at: 0, userData: $0)
            }
            ids.reversed().forEach(bench.queue.cancel)
            var ledger = Ledger(count: 10)
            try bench.finish().forEach { ledger.note($0) }
            ledger.assertAllCompleted()
            XCTAssertTrue(ledger.failures.allSatisfy { $0.failure == .cancelled })
        }
    }

    /// Waiting for an earlier write to the same block. A third goes on without the second.
    func testBlockedByAnotherWrite() throws {
        try forEachBench(Bench.Setup(alignment: Self.pages)) { bench in
            let hold = bench.faults.add(.init(.hold, operations: [.write], count: 1))
            let lost = AlignedBuffer(count: 512)
            bench.queue.write(from: .init(bench.newBytes(at: 0, 512)), at: 0, userData: 1)
            let second = bench.queue.write(from: .init(lost.bytes), at: 512, userData: 2)
            bench.queue.write(from: .init(bench.newBytes(at: 1024, 512)), at: 1024, userData: 3)
            let zeroes = bench.queue.writeZeroes(at: 100, length: 9000, userData: 4)
            try bench.waitForFaults(1)
            bench.queue.cancel(second)
            bench.queue.cancel(zeroes)
            let cancelled = bench.next(2)
            XCTAssertEqual(cancelled.map(\.userData), [2, 4])
            XCTAssertTrue(cancelled.allSatisfy { $0.failure == .cancelled })
            bench.faults.release(hold)
            XCTAssertEqual(try bench.finish().map(\.userData), [1, 3])
            try bench.assertMedium()
        }
    }

    func testFinishedAndNotDelivered() throws {
        try forEachBench { bench in
            let buffer = AlignedBuffer(count: 1024)
            bench.faults.add(.init(.hold))
            let ids = (0..<2).map {
                bench.queue.read(into: buffer.slice($0 * 512, 512), at: 0, userData: UInt($0))
            }
            bench.faults.release()
            var failures: [BlockError.Code?] = []
            bench.queue.poll(minimum: 2, timeout: Patience.limit) { completion in
                bench.queue.cancel(ids[0])
                bench.queue.cancel(ids[1])
                failures.append(completion.failure)
            }
            XCTAssertEqual(failures, [nil, nil])
        }
    }

    func testAStaleIdentifierCancelsNothing() throws {
        try forEachBench { bench in
            let buffer = AlignedBuffer(count: 512)
            var stale: [RequestID] = []
            for _ in 0..<10 {
                stale.append(bench.queue.read(into: buffer.bytes, at: 0))
                _ = try bench.finish()
            }
            bench.faults.add(.init(.hold))
            bench.queue.read(into: buffer.bytes, at: 0)
            stale.forEach(bench.queue.cancel)
            XCTAssertTrue(bench.isQuiet())
            bench.faults.release()
            XCTAssertEqual(try bench.finish().map(\.failure), [nil])
        }
    }

    func testAWriteInPiecesStopsAtTheOneThatIsHeld() throws {
        try forEachBench(Bench.Setup(alignment: Self.pages, bounceLimit: 512)) { bench in
            bench.faults.add(.init(.hold, operations: [.write], after: 3))
            let list = bench.list([10, 40_000, 950])
            let content = list.gathered()
            let id = bench.queue.writev(list.vectors, at: 8192)
            try bench.waitForFaults(1)
            bench.queue.cancel(id)
            let completions = try bench.finish()
            XCTAssertEqual(completions.map(\.failure), [.cancelled])
            XCTAssertEqual(completions.map(\.transferred), [3 * 4096])
            let kept = bench.expected.slice(8192, 3 * 4096)
            kept.copyMemory(from: .init(content.slice(0, 3 * 4096)))
            try bench.assertMedium()
        }
    }

    /// Its first submission is with the kernel and cannot be taken back; there is no second.
    func testAWriteInPiecesStopsAfterTheOneInFlight() throws {
        try forEachBench(Bench.Setup(alignment: Self.pages, bounceLimit: 512)) { bench in
            let list = bench.list([10, 40_000, 950])
            let id = bench.queue.writev(list.vectors, at: 8192)
            bench.queue.cancel(id)
            let completion = try bench.finish()[0]
            XCTAssertEqual(completion.failure, .cancelled)
            let moved = Int(completion.transferred)
            XCTAssertTrue([0, 4096].contains(moved), "\(moved)")
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 1)
            let plain = try PlainFile(bench.target.path, direct: false).contents(at: 12288, 40_000)
            XCTAssertTrue(sameBytes(plain.bytes, bench.expected.slice(12288, 40_000)))
            // Inside a block: what is in flight is the read before the write.
            bench.queue.cancel(bench.queue.writev(list.vectors, at: 20_000))
            XCTAssertEqual(try bench.finish().map(\.failure), [.cancelled])
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 2)
            XCTAssertEqual(bench.queue.statistics.writes.bytes, UInt64(moved))
        }
    }
}
