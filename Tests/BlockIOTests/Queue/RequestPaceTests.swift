import BlockHost
import XCTest
@testable import BlockIO

/// When a pool of threads takes its requests for quick ones.
final class RequestPaceTests: XCTestCase {
    func testManyQuickRequestsInARowAreQuick() {
        XCTAssertNotEqual(pace(of: 31, nanoseconds: 1_000).kind, .quick)
        XCTAssertEqual(pace(of: 32, nanoseconds: 1_000).kind, .quick)
    }

    func testOneThatSleepsEndsIt() {
        var pace = quick()
        pace.note(40_000, bytes: 4096)
        XCTAssertEqual(pace.kind, .prompt)
        for _ in 0..<31 { pace.note(1_000, bytes: 4096) }
        XCTAssertEqual(pace.kind, .prompt, "all of them again")
        pace.note(1_000, bytes: 4096)
        XCTAssertEqual(pace.kind, .quick)
    }

    func testWhatIsNeitherChangesNothing() {
        var pace = quick()
        pace.note(20_000, bytes: 4096)
        XCTAssertEqual(pace.kind, .quick)
        var other = RequestPace()
        for _ in 0..<64 { other.note(20_000, bytes: 4096) }
        XCTAssertEqual(other.kind, .prompt)
    }

    func testMoreBytesMayTakeLonger() {
        var pace = quick()
        pace.note(100_000, bytes: 1 << 20)
        XCTAssertEqual(pace.kind, .quick)
        pace.note(100_000, bytes: 0)
        XCTAssertEqual(pace.kind, .prompt)
    }

    func testSeveralRequestsCountAsThatMany() {
        var pace = RequestPace()
        for _ in 0..<4 { pace.note(40_000, requests: 8, bytes: 8 * 4096) }
        XCTAssertEqual(pace.kind, .quick)
        pace.note(9_000_000, requests: 8, bytes: 8 * 4096)
        XCTAssertEqual(pace.kind, .slow, "one of them was slow")
    }

    func testRequestsThatSleepBrieflyArePrompt() {
        XCTAssertEqual(pace(of: 31, nanoseconds: 500_000).kind, .slow)
        var pace = pace(of: 32, nanoseconds: 500_000)
        XCTAssertEqual(pace.kind, .prompt)
        pace.note(5_000_000, bytes: 4096)
        XCTAssertEqual(pace.kind, .prompt, "a little late")
        pace.note(9_000_000, bytes: 4096)
        XCTAssertEqual(pace.kind, .slow)
    }

    func testCopiesAreQuickUnlessMemoryIsSwappedOut() {
        var pace = RequestPace(areCopies: true)
        XCTAssertEqual(pace.kind, .copy, "from the first on")
        for _ in 0..<64 { pace.note(500_000, bytes: 4096) }
        XCTAssertEqual(pace.kind, .copy)
        pace.note(9_000_000, bytes: 4096)
        XCTAssertEqual(pace.kind, .slow)
        for _ in 0..<32 { pace.note(500_000, bytes: 4096) }
        XCTAssertEqual(pace.kind, .copy)
    }

    /// A thread that does not sleep, but may be preempted, changes nothing.
    func testACopyIsNotSlowForWantOfAProcessor() {
        var pace = RequestPace(areCopies: true)
        var sleeps = ThreadSleeps()
        var isUndisturbed = false
        // Something else, such as a page fault, may put this thread to sleep now and then.
        for _ in 0..<100 where !isUndisturbed {
            pace = RequestPace(areCopies: true)
            sleeps.prepare()
            pace.note(9_000_000, bytes: 4096, &sleeps)
            isUndisturbed = pace.kind == .copy
        }
        XCTAssertTrue(isUndisturbed)
        usleep(1_000)
        pace.note(9_000_000, bytes: 4096, &sleeps)
        XCTAssertEqual(pace.kind, .slow, "it has slept")
        var other = RequestPace()
        for _ in 0..<32 { other.note(1_000, bytes: 4096) }
        sleeps.prepare()
        other.note(9_000_000, bytes: 4096, &sleeps)
        XCTAssertEqual(other.kind, .slow, "no copy")
    }

    func testAnUpperBoundShowsOnlyThatARequestIsQuick() {
        var pace = pace(of: 31, nanoseconds: 1_000)
        XCTAssertFalse(pace.noteQuick(atMost: 9_000_000, bytes: 4096))
        XCTAssertTrue(pace.noteQuick(atMost: 7_000, bytes: 4096))
        XCTAssertEqual(pace.kind, .quick, "the first has changed nothing")
    }

    private func quick() -> RequestPace { pace(of: 32, nanoseconds: 1_000) }

    private func pace(of requests: Int, nanoseconds: UInt64) -> RequestPace {
        var pace = RequestPace()
        for _ in 0..<requests { pace.note(nanoseconds, bytes: 4096) }
        return pace
    }
}
