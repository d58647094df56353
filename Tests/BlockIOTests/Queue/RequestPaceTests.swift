import XCTest
@testable import BlockIO

/// When a pool of threads takes its requests for quick ones.
final class RequestPaceTests: XCTestCase {
    func testManyQuickRequestsInARowAreQuick() {
        XCTAssertFalse(pace(of: 31, nanoseconds: 1_000).isQuick)
        XCTAssertTrue(pace(of: 32, nanoseconds: 1_000).isQuick)
    }

    func testOneThatSleepsEndsIt() {
        var pace = quick()
        pace.note(40_000, bytes: 4096)
        XCTAssertFalse(pace.isQuick)
        for _ in 0..<31 { pace.note(1_000, bytes: 4096) }
        XCTAssertFalse(pace.isQuick, "all of them again")
    }

    func testWhatIsNeitherChangesNothing() {
        var pace = quick()
        pace.note(20_000, bytes: 4096)
        XCTAssertTrue(pace.isQuick)
        var other = RequestPace()
        for _ in 0..<64 { other.note(20_000, bytes: 4096) }
        XCTAssertFalse(other.isQuick)
    }

    func testMoreBytesMayTakeLonger() {
        var pace = quick()
        pace.note(100_000, bytes: 1 << 20)
        XCTAssertTrue(pace.isQuick)
        pace.note(100_000, bytes: 0)
        XCTAssertFalse(pace.isQuick)
    }

    func testRequestsThatSleepBrieflyArePrompt() {
        XCTAssertFalse(pace(of: 31, nanoseconds: 500_000).isPrompt)
        var pace = pace(of: 32, nanoseconds: 500_000)
        XCTAssertTrue(pace.isPrompt)
        XCTAssertFalse(pace.isQuick)
        pace.note(5_000_000, bytes: 4096)
        XCTAssertTrue(pace.isPrompt, "a little late")
        pace.note(9_000_000, bytes: 4096)
        XCTAssertFalse(pace.isPrompt)
    }

    func testCopiesAreQuickUnlessMemoryIsSwappedOut() {
        var pace = RequestPace(areCopies: true)
        XCTAssertTrue(pace.isQuick, "from the first on")
        for _ in 0..<64 { pace.note(500_000, bytes: 4096) }
        XCTAssertTrue(pace.isQuick)
        pace.note(9_000_000, bytes: 4096)
        XCTAssertFalse(pace.isQuick)
        for _ in 0..<32 { pace.note(500_000, bytes: 4096) }
        XCTAssertTrue(pace.isQuick)
    }

    private func quick() -> RequestPace { pace(of: 32, nanoseconds: 1_000) }

    private func pace(of requests: Int, nanoseconds: UInt64) -> RequestPace {
        var pace = RequestPace()
        for _ in 0..<requests { pace.note(nanoseconds, bytes: 4096) }
        return pace
    }
}
