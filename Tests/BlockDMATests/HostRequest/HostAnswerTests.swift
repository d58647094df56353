import BlockDMA
import XCTest

/// What counts as a success.
final class HostAnswerTests: XCTestCase {
    func testSuccess() {
        XCTAssertTrue(HostAnswer.succeeded.isSuccess)
        XCTAssertTrue(HostAnswer.transferCompleted(.success, 512).isSuccess)
        for answer in [
            HostAnswer.pending, .failed, .released, .transferCompleted(.cancelled, 512),
            .transferCompleted(.deviceFailed, 512),
        ] {
            XCTAssertFalse(answer.isSuccess, "\(answer)")
        }
    }
}
