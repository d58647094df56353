import BlockIO
import BlockIOTesting
import Glibc
import Synchronization
import XCTest
@testable import TestSupport

/// What `minimum` and `timeout` promise, and what a batch defers.
final class PollTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let size = 1 << 20

    func testNothingOutstandingNeverWaits() throws {
        try forEachConfiguration(size: size) { subject in
            let queue = subject.queue
            for minimum in [0, 1, 1000, Int.max] {
                XCTAssertEqual(queue.poll(minimum: minimum) { _ in XCTFail("of nothing") }, 0)
            }
            queue.drain { _ in XCTFail("of nothing") }
        }
    }

    func testMinimumIsReached() throws {
        try forEachConfiguration(size: size) { subject in
            let reads = Reads(subject, count: 60)
            reads.submit()
            for minimum in [1, 5, 20] {
                let outstanding = subject.queue.outstanding
                let count = reads.poll(minimum: minimum)
                XCTAssertGreaterThanOrEqual(count, min(minimum, outstanding))
            }
            subject.queue.drain { reads.ledger.note($0) }
            reads.ledger.assertAllSucceeded()
        }
    }

    func testMinimumBeyondWhatIsOutstandingDeliversAll() throws {
        try forEachConfiguration(size: size) { subject in
            for minimum in [8, 100, Int.max] {
                let reads = Reads(subject, count: 8)
                reads.submit()
                XCTAssertEqual(reads.poll(minimum: minimum), 8)
                reads.ledger.assertAllSucceeded()
                XCTAssertEqual(subject.queue.outstanding, 0)
            }
        }
    }

    /// Nothing is lost or delivered twice when waits end early.
    func testTimeoutsLoseNothing() throws {
        try forEachConfiguration(size: size) { subject in
            let timeouts: [Duration] = [
                .zero, .nanoseconds(1), .microseconds(30), .milliseconds(1), .seconds(-1),
            ]
            for timeout in timeouts {
                let reads = Reads(subject, count: 40)
                reads.submit()
                subject.queue.poll(minimum: 40, timeout: timeout) { reads.ledger.note($0) }
                subject.queue.poll(minimum: 1, timeout: timeout) { reads.ledger.note($0) }
                try subject.queue.finish { reads.ledger.note($0) }
                reads.ledger.assertAllSucceeded()
            }
        }
    }

    func testTimeoutsOfCenturies() throws {
        try forEachConfiguration(size: size) { subject in
            let timeouts: [Duration] = [
                .seconds(1 << 31), .seconds(1 << 33), .seconds(1 << 62),
                Duration(secondsComponent: .max, attosecondsComponent: 0),
                .seconds(-(1 << 35)), Duration(secondsComponent: .min, attosecondsComponent: 0),
            ]
            for timeout in timeouts {
                let reads = Reads(subject, count: 4)
                reads.submit()
                let count = reads.poll(minimum: 4, timeout: timeout)
                if timeout > .zero { XCTAssertEqual(count, 4, "\(timeout)") }
                try subject.queue.finish { reads.ledger.note($0) }
                reads.ledger.assertAllSucceeded()
            }
        }
    }

    /// Requests that do not end: neither polling nor waiting with a limit waits for them.
    func testLimitedWaitsEndThoughRequestsDoNot() throws {
        let faults = FaultInjector()
        try forEachConfiguration(size: size, QueueOptions().decorated(by: [.faults(faults)])) {
            subject in
            let hold = faults.add(.init(.hold, operations: [.read]))
            let reads = Reads(subject, count: 4)
            reads.submit()
            let events = try EventSet(subject.queue.descriptor)
            for _ in 0..<3 {
                XCTAssertEqual(subject.queue.poll { reads.ledger.note($0) }, 0)
                for timeout in [Duration.zero, .microseconds(10), .milliseconds(2)] {
                    XCTAssertEqual(subject.queue.poll(minimum: 1, timeout: timeout), 0)
                    XCTAssertEqual(subject.queue.poll(minimum: 9, timeout: timeout), 0)
                }
            }
            XCTAssertEqual(subject.queue.outstanding, 4)
            try eventually("the descriptor is quiet") {
                subject.queue.poll()
                return !events.isReadable
            }
            // One that ends among those that do not.
            subject.queue.flush(userData: 9)
            var found: [UInt] = []
            try subject.queue.pollForOne { found.append($0.userData) }
            XCTAssertEqual(found, [9])
            // What a format reads after this passes too.
            faults.remove(hold)
            faults.release()
            try subject.queue.finish { reads.ledger.note($0) }
            reads.ledger.assertAllSucceeded()
        }
    }

    /// "Or until a signal handler ran."
    func testASignalEndsAWait() throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        var before = sigaction()
        XCTAssertEqual(sigaction(SIGUSR1, &action, &before), 0)
        defer { sigaction(SIGUSR1, &before, nil) }
        let faults = FaultInjector()
        try forEachConfiguration(size: size, QueueOptions().decorated(by: [.faults(faults)])) {
            subject in
            let hold = faults.add(.init(.hold, operations: [.read]))
            let reads = Reads(subject, count: 1)
            reads.submit()
            let pest = Pest(of: pthread_self(), until: faults)
            let count = subject.queue.poll(minimum: 1) { reads.ledger.note($0) }
            pest.stop()
            guard count == 0 else { throw Stuck(outstanding: 1) }
            // What a format reads after this passes too.
            faults.remove(hold)
            faults.release()
            try subject.queue.finish { reads.ledger.note($0) }
            reads.ledger.assertAllSucceeded()
        }
    }

    func testPollWithoutWaitingMakesProgress() throws {
        try forEachConfiguration(size: size) { subject in
            let reads = Reads(subject, count: 40)
            reads.submit()
            try eventually("all are delivered") {
                subject.queue.poll { reads.ledger.note($0) }
                return subject.queue.outstanding == 0
            }
            reads.ledger.assertAllSucceeded()
        }
    }

    func testClosureSubmitsWhileItIsDelivered() throws {
        try forEachConfiguration(size: size) { subject in
            let reads = Reads(subject, count: 100)
            reads.submit(4)
            subject.queue.drain {
                reads.ledger.note($0)
                reads.submit(1)
            }
            reads.ledger.assertAllSucceeded()
        }
    }

    func testNestedBatchesDeferUntilTheOutermostEnds() throws {
        try forEachConfiguration(size: size) { subject in
            let reads = Reads(subject, count: 30)
            let result = subject.queue.batch {
                reads.submit(10)
                let inner = subject.queue.batch {
                    reads.submit(10)
                    return 6
                }
                reads.submit(10)
                return 7 * inner
            }
            XCTAssertEqual(result, 42)
            XCTAssertEqual(subject.queue.outstanding, 30)
            // On their way without a poll.
            let events = try EventSet(subject.queue.descriptor)
            guard events.wait() != nil else { throw Stuck(outstanding: 30) }
            try subject.queue.finish { reads.ledger.note($0) }
            reads.ledger.assertAllSucceeded()
        }
    }

    func testPollInsideABatchSubmits() throws {
        try forEachConfiguration(size: size) { subject in
            let reads = Reads(subject, count: 20)
            try subject.queue.batch {
                reads.submit(10)
                try subject.queue.pollForOne { reads.ledger.note($0) }
                reads.submit(10)
                try subject.queue.finish { reads.ledger.note($0) }
            }
            reads.ledger.assertAllSucceeded()
        }
    }

    func testABatchThatThrowsSubmitsWhatItHas() throws {
        struct Failure: Error {}
        try forEachConfiguration(size: size) { subject in
            let reads = Reads(subject, count: 10)
            do throws(Failure) {
                try subject.queue.batch { () throws(Failure) in
                    reads.submit()
                    throw Failure()
                }
            } catch {}
            // Not plugged any more: this one is on its way at once.
            let events = try EventSet(subject.queue.descriptor)
            guard events.wait() != nil else { throw Stuck(outstanding: 10) }
            try subject.queue.finish { reads.ledger.note($0) }
            reads.ledger.assertAllSucceeded()
        }
    }
}

/// Reads of one block each into buffers of their own.
private final class Reads {
    var ledger: Ledger
    private let subject: Subject
    private let buffer: AlignedBuffer
    private let count: Int
    private var submitted = 0

    init(_ subject: Subject, count: Int) {
        self.subject = subject
        self.count = count
        ledger = Ledger(count: count)
        buffer = subject.buffer(count * subject.block)
    }

    /// Polls. A wait may be interrupted (see ``BlockQueue/pollForOne(_:)``), but not each time.
    func poll(minimum: Int, timeout: Duration? = nil) -> Int {
        var count = 0
        for _ in 0..<5 where count < minimum && subject.queue.outstanding > 0 {
            count += subject.queue.poll(minimum: minimum - count, timeout: timeout) {
                ledger.note($0)
            }
        }
        return count
    }

    /// Submits the next few, or all that are left.
    func submit(_ number: Int = .max) {
        for _ in 0..<min(number, count - submitted) {
            let place = submitted * subject.block
            subject.queue.read(
                into: buffer.slice(place, subject.block), at: UInt64(place),
                userData: UInt(submitted))
            submitted += 1
        }
    }
}

/// A thread that sends signals to another until it is stopped, or, when nothing comes of it, lets
/// the held requests go.
private final class Pest: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let end = DispatchSemaphore(value: 0)

    init(of victim: pthread_t, until faults: FaultInjector) {
        let deadline = ContinuousClock.now + Patience.limit / 2
        Thread.detachNewThread { [self] in
            while !isStopped.load(ordering: .acquiring) {
                pthread_kill(victim, SIGUSR1)
                usleep(1_000)
                if ContinuousClock.now > deadline { faults.release() }
            }
            end.signal()
        }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        end.wait()
    }
}
