import BlockIO
import CTestSupport
import Synchronization
import XCTest
@testable import TestSupport

/// A queue that has warmed up allocates nothing, on any of its threads.
///
/// Sanitizers replace malloc(3) themselves and leave nothing to count; under them only the I/O runs.
final class AllocationTests: ConformanceTestCase {
    func testTheCounterCounts() {
        cts_allocations_start()
        let memory = Self.seen(malloc(100))
        let more = Self.seen(realloc(memory, 1 << 20))
        let zeros = Self.seen(calloc(10, 10))
        var aligned: UnsafeMutableRawPointer?
        let made = posix_memalign(&aligned, 4096, 4096)
        let count = cts_allocations_stop()
        XCTAssertEqual(made, 0)
        for memory in [more, zeros, aligned] { free(memory) }
        guard cts_allocations_are_countable() else { return }
        XCTAssertGreaterThanOrEqual(count, 4)

        let ended = DispatchSemaphore(value: 0)
        cts_allocations_start()
        Thread.detachNewThread {
            for _ in 0..<1000 { free(Self.seen(malloc(100))) }
            ended.signal()
        }
        ended.wait()
        XCTAssertGreaterThanOrEqual(cts_allocations_stop(), 1000, "of other threads")
    }

    private static let lastSeen = Atomic<UInt>(0)

    /// Lets an address out, or else an optimiser leaves out the allocation.
    private static func seen(_ memory: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        lastSeen.store(UInt(bitPattern: memory), ordering: .sequentiallyConsistent)
        return memory
    }

    // Few threads, so that none is ever idle long enough to leave and be made anew.
    private static let options = QueueOptions(maximumThreads: 4)

    func testSteadyStateAllocatesNothing() throws {
        try forEachConfiguration(size: 1 << 20, Self.options) { assertAllocatesNothing($0) }
    }

    func testThrottledRequestsAllocateNothing() throws {
        try forEachConfiguration(
            size: 1 << 20, Self.options, where: { $0.target == .tmpfsFile }
        ) { subject in
            try subject.image.setRateLimits(
                RateLimits(operations: RateLimit(20_000, burst: 2)))
            subject.queue.poll()
            assertAllocatesNothing(subject)
            XCTAssertGreaterThan(subject.queue.statistics.throttledRequests, 0)
        }
    }

    private func assertAllocatesNothing(_ subject: Subject) {
        let block = subject.block
        let buffer = subject.buffer(64 * block)
        let list = (0..<64).map {
            iovec(iov_base: buffer.bytes.baseAddress! + $0 * block, iov_len: block)
        }
        list.withUnsafeBufferPointer { list in
            let load = Load(queue: subject.queue, list: list, block: block)
            load.run(rounds: 20)
            // The rest of the process has its own affairs: one quiet run proves that the queue
            // needs none, and if it did none would be quiet.
            var least = UInt64.max
            for _ in 0..<5 where least > 0 {
                cts_allocations_start()
                load.run(rounds: 20)
                least = min(least, cts_allocations_stop())
            }
            guard cts_allocations_are_countable() else { return }
            XCTAssertEqual(least, 0, "allocations in \(20 * Load.requestsPerRound) requests")
        }
    }
}

/// Vectored reads and writes, single reads and a flush, in a batch and by themselves.
private struct Load {
    static let requestsPerRound = 19
    let queue: BlockQueue
    let list: UnsafeBufferPointer<iovec>
    let block: Int

    func run(rounds: Int) {
        for _ in 0..<rounds {
            queue.batch {
                for index in 0..<8 {
                    let four = UnsafeBufferPointer(rebasing: list[4 * index..<4 * index + 4])
                    let place = UInt64(4 * index * block)
                    if index % 2 == 0 {
                        queue.readv(four, at: place)
                    } else {
                        queue.writev(four, at: place)
                    }
                }
            }
            for index in 32..<40 {
                let one = UnsafeMutableRawBufferPointer(
                    start: list[index].iov_base, count: list[index].iov_len)
                queue.read(into: one, at: UInt64(index * block))
            }
            queue.flush()
            queue.read(into: .init(start: nil, count: 0), at: 0)
            queue.readv(list, at: .max)
            var failures = 0
            var count = 0
            while queue.outstanding > 0 {
                count += queue.poll(minimum: 1) { if !$0.isSuccess { failures += 1 } }
            }
            precondition(count == Self.requestsPerRound && failures == 1)
        }
    }
}
