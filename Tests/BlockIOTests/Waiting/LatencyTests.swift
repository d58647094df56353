import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// The durations that a queue counts are those between a request and its end, also while `poll`
/// runs inside a batch that lasts.
final class LatencyTests: ConformanceTestCase {
    /// What the thread does between one request and the next.
    private static let pause: UInt32 = 2_000
    private static let rounds = 40

    /// From the second request on there would be 2 ms more in each.
    func testRequestsOfALongBatchAreNotCountedFromItsBeginning() throws {
        try forEachConfiguration(size: 1 << 16, where: { $0.target == .tmpfsFile }) { subject in
            let queue = subject.queue
            let buffer = subject.buffer(subject.block)
            // Apart from the queue's own count: the longest that any took.
            var longest = Duration.zero
            let clock = ContinuousClock()
            try queue.batch {
                for _ in 0..<Self.rounds {
                    let start = clock.now
                    queue.read(into: buffer.bytes, at: 0)
                    try queue.finish()
                    longest = max(longest, clock.now - start)
                    usleep(Self.pause)
                }
            }
            self.assert(queue, atMost: longest)
        }
    }

    /// The same when the request before is delivered by the `poll` that submits the next.
    func testRequestsThatPollSubmitsInALongBatch() throws {
        try forEachConfiguration(size: 1 << 16, where: { $0.target == .tmpfsFile }) { subject in
            let queue = subject.queue
            let buffer = subject.buffer(subject.block)
            var longest = Duration.zero
            let clock = ContinuousClock()
            try queue.batch {
                // The intervals leave no gap, in which the thread might be suspended, and include the last
                // wait: a slow machine makes each request slow somewhere in them.
                var start = clock.now
                func noteInterval() {
                    let now = clock.now
                    longest = max(longest, now - start)
                    start = now
                }
                queue.read(into: buffer.bytes, at: 0)
                for _ in 0..<Self.rounds {
                    try queue.pollForOne { _ in
                        usleep(Self.pause)
                        queue.read(into: buffer.bytes, at: 0)
                    }
                    noteInterval()
                }
                try queue.finish()
                noteInterval()
            }
            // A request may wait while one delivery and one pause last, and no longer.
            self.assert(queue, atMost: longest * 2)
        }
    }

    /// A duration that is known: requests that threads are held in.
    func testAKnownDelayIsCounted() throws {
        let delay: Int64 = 30
        try forEachConfiguration(
            size: 1 << 16,
            where: { $0.target == .tmpfsFile && $0.engine == .threadPool }
        ) { subject in
            let queue = subject.queue
            let buffer = subject.buffer(subject.block)
            let fault = CallFault(CTS_CALL_READ, holdMilliseconds: delay)
            try fault.during {
                try queue.batch {
                    for _ in 0..<5 {
                        queue.read(into: buffer.bytes, at: 0)
                        try queue.finish()
                    }
                }
            }
            guard fault.isCovered else { return }
            let found = queue.statistics.readLatency
            XCTAssertEqual(found.count, 5)
            XCTAssertGreaterThanOrEqual(found.percentile(1), UInt64(delay - 1) * 1_000_000)
        }
    }

    /// The percentiles are exact to 12.5 %.
    private func assert(_ queue: BlockQueue, atMost limit: Duration, line: UInt = #line) {
        let found = queue.statistics.readLatency
        XCTAssertGreaterThanOrEqual(found.count, UInt64(Self.rounds), line: line)
        let nanoseconds = UInt64(limit / .nanoseconds(1))
        XCTAssertLessThanOrEqual(
            found.percentile(100), nanoseconds + nanoseconds / 4, "of the slowest", line: line)
    }
}
