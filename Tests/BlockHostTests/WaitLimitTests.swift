import BlockHost
import Glibc
import XCTest

final class WaitLimitTests: XCTestCase {
    func testDurations() {
        for (duration, nanoseconds) in [
            (nil, -1), (.zero, 0), (.seconds(-1), 0), (.nanoseconds(1), 1),
            (.seconds(2) + .nanoseconds(3), 2_000_000_003), (.seconds(Int64.max), -1),
        ] as [(Duration?, Int64)] {
            XCTAssertEqual(WaitLimit(duration).rawNanoseconds, nanoseconds)
        }
        XCTAssert(WaitLimit(.zero).hasPassed)
        XCTAssertFalse(WaitLimit.nanoseconds(1).hasPassed)
        XCTAssertFalse(WaitLimit.forever.hasPassed)
    }

    func testComparisons() {
        XCTAssertEqual(WaitLimit.forever.atMost(5).rawNanoseconds, 5)
        XCTAssertEqual(WaitLimit.nanoseconds(4).atMost(5).rawNanoseconds, 4)
        XCTAssertEqual(WaitLimit.nanoseconds(6).atMost(5).rawNanoseconds, 5)
        XCTAssert(WaitLimit.forever.isAtLeast(.max))
        XCTAssert(WaitLimit.nanoseconds(5).isAtLeast(5))
        XCTAssertFalse(WaitLimit.nanoseconds(4).isAtLeast(5))
    }

    func testDeadlines() throws {
        XCTAssertNil(WaitLimit.forever.deadline())
        let hour: Int64 = 3_600_000_000_000
        let before = monotonicNanoseconds()
        let deadline = try XCTUnwrap(WaitLimit.nanoseconds(hour).deadline())
        let moment = UInt64(deadline.tv_sec) * 1_000_000_000 + UInt64(deadline.tv_nsec)
        XCTAssert((before...monotonicNanoseconds()).contains(moment - UInt64(hour)))
        XCTAssert((0..<1_000_000_000).contains(deadline.tv_nsec))
        let left = WaitLimit(until: deadline).rawNanoseconds
        XCTAssert((1...hour).contains(left), "\(left)")
        XCTAssert(WaitLimit(until: timespec(tv_sec: 0, tv_nsec: 1)).hasPassed)
    }
}
