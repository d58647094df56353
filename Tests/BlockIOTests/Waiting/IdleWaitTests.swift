import BlockIO
import XCTest
@testable import TestSupport

/// A wait of an owner for whom nothing is outstanding: it sleeps until its limit, a request, or a
/// call of a ``RemoteQueue``, and does not return at once again and again.
final class IdleWaitTests: ConformanceTestCase {
    private static func isWanted(_ configuration: Configuration) -> Bool {
        configuration.target == .tmpfsFile
    }

    func testAWaitWithALimitSleepsUntilThen() throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isWanted) { subject in
            self.assertSleeps(subject.queue)
        }
    }

    func testAWaitWithALimitSleepsWhereOthersMayCall() throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isWanted) { subject in
            let remote = subject.queue.remote
            self.assertSleeps(subject.queue)
            // The same after requests.
            let buffer = subject.buffer(subject.block)
            subject.queue.read(into: buffer.bytes, at: 0)
            try subject.queue.finish()
            self.assertSleeps(subject.queue)
            withExtendedLifetime(remote) {}
        }
    }

    /// Waits of 20 ms for 80 ms: four, and a few that something interrupts.
    private func assertSleeps(_ queue: BlockQueue, line: UInt = #line) {
        let end = ContinuousClock.now + .milliseconds(80)
        var calls = 0
        while ContinuousClock.now < end {
            XCTAssertEqual(queue.poll(minimum: 1, timeout: .milliseconds(20)), 0, line: line)
            calls += 1
        }
        XCTAssertLessThan(calls, 20, line: line)
    }

    /// The wait would last for a minute.
    func testARemoteCallEndsTheWait() throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isWanted) { subject in
            let queue = subject.queue
            let remote = queue.remote
            let clock = ContinuousClock()
            let caller = Disturbance { round in
                usleep(1_000)
                if round == 20 { remote.close() }
            }
            let start = clock.now
            var calls = 0
            try Rescue.watching {
                while !queue.isClosed {
                    queue.poll(minimum: 1, timeout: Patience.limit)
                    calls += 1
                }
            }
            caller.stop()
            XCTAssertLessThan(clock.now - start, Patience.limit)
            XCTAssertLessThan(calls, 20)
        }
    }

    /// Without a limit, and without anybody who could call, nothing would ever end the wait.
    func testAWaitThatNothingCouldEndReturnsAtOnce() throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isWanted) { subject in
            try Rescue.watching { XCTAssertEqual(subject.queue.poll(minimum: 1), 0) }
        }
    }
}
