import BlockHost
import Glibc
import XCTest
@testable import TestSupport

final class FutexTests: XCTestCase {
    private final class Shared: Sendable {
        let futex = Futex()
        let ends = Locked<[CInt]>([])
    }

    func testNewsThatHasBeenMissedEndsTheWait() {
        let futex = Futex()
        let seen = futex.value
        futex.advance()
        XCTAssertNotEqual(futex.value, seen)
        XCTAssertEqual(futex.wait(seen, .forever), -EAGAIN)
    }

    func testTheLimitEndsTheWait() {
        let futex = Futex()
        XCTAssertEqual(futex.wait(futex.value, .nanoseconds(1_000_000)), -ETIMEDOUT)
        XCTAssertEqual(futex.wait(futex.value, .nanoseconds(0)), -ETIMEDOUT)
    }

    func testAWakeEndsTheWait() throws {
        let shared = Shared()
        let seen = shared.futex.value
        for _ in 0..<2 {
            try HostThread.start(named: "sleeper", stackSize: HostThread.smallStack) {
                let end = shared.futex.wait(seen, .forever)
                shared.ends.withLock { $0.append(end) }
            }
        }
        // They may sleep by now, and come later if not.
        usleep(10_000)
        shared.futex.advance()
        shared.futex.wake(2)
        try eventually("both are awake") { shared.ends.withLock { $0.count } == 2 }
        XCTAssert(shared.ends.withLock { $0.allSatisfy { $0 == 0 || $0 == -EAGAIN } })
    }
}
