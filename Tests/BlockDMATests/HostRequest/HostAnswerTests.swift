import BlockDMA
import XCTest

/// What counts as a success.
final class HostAnswerTests: XCTestCase {
    func testSuccess() {
        XCTAssertTrue(HostAnswer.succeeded.isSuccess)
        XCTAssertTrue(HostAnswer.finished(.success, 512).isSuccess)
        for answer in [
            HostAnswer.pending, .failed, .released, .finished(.cancelled, 512),
            .finished(.deviceFailed, 512),
        ] {
            XCTAssertFalse(answer.isSuccess, "\(answer)")
        }
    }
}
