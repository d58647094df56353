import CTestSupport
import XCTest

/// While a server has no descriptor for a peer that wants to connect, it looks again after a while, and not at once.
/// `turn` is a turn of the server that waits for so many milliseconds; negative: without a limit.
func assertAcceptIsDeferred(_ turn: (CInt) throws -> Void) throws {
    let fault = CallFault(CTS_CALL_ACCEPT, error: EMFILE)
    guard fault.isCovered else { return }
    try fault.during {
        try turn(0)
        XCTAssertEqual(fault.counts.calls, 1)
        // Nothing but its time ends this wait.
        try turn(-1)
        XCTAssertEqual(fault.counts.calls, 1)
        try turn(-1)
        XCTAssertEqual(fault.counts.calls, 2)
    }
}
