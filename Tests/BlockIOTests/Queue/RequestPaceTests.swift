import XCTest
@testable import BlockIO

/// When a pool of threads takes its requests for quick ones.
final class RequestPaceTests: XCTestCase {
    func testManyQuickRequestsInARowAreQuick() {
        var pace = RequestPace()
        for _ in 0..<31 { pace.note(1_000, bytes: 4096) }
        XCTAssertFalse(pace.isQuick)
        pace.note(1_000, bytes: 4096)
        XCTAssertTrue(pace.isQuick)
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
        var pace = RequestPace()
        for _ in 0..<31 { pace.note(500_000, bytes: 4096) }
        XCTAssertFalse(pace.isPrompt)
        pace.note(500_000, bytes: 4096)
        XCTAssertTrue(pace.isPrompt)
        XCTAssertFalse(pace.isQuick)
        pace.note(5_000_000, bytes: 4096)
        XCTAssertTrue(pace.isPrompt, "a little late")
        pace.note(9_000_000, bytes: 4096)
        XCTAssertFalse(pace.isPrompt)
    }

    private func quick() -> RequestPace {
        var pace = RequestPace()
        for _ in 0..<32 { pace.note(1_000, bytes: 4096) }
        return pace
    }
}
