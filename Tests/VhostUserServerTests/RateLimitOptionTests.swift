import ArgumentParser
import BlockIO
import XCTest

@testable import BlockTool

/// The options of `blockio vhost-user-blk` for rate limits.
final class RateLimitOptionTests: XCTestCase {
    private typealias Limit = WritableKeyPath<RateLimits, RateLimit?>

    func testEachOptionIsOneLimit() throws {
        XCTAssertEqual(try RateLimitOptions.parse([]).limits, RateLimits())
        let options: [(String, Limit)] = [
            ("--iops-total", \.operations), ("--iops-read", \.readOperations),
            ("--iops-write", \.writeOperations), ("--bps-total", \.bytes),
            ("--bps-read", \.readBytes), ("--bps-write", \.writeBytes),
        ]
        for (option, limit) in options {
            var expected = RateLimits()
            XCTAssertEqual(try RateLimitOptions.parse([option, "0"]).limits, expected)
            expected[keyPath: limit] = RateLimit(7)
            XCTAssertEqual(try RateLimitOptions.parse([option, "7"]).limits, expected)
            expected[keyPath: limit] = RateLimit(7, burst: 9)
            XCTAssertEqual(
                try RateLimitOptions.parse([option, "7", "\(option)-max", "9"]).limits, expected)
        }
    }
}
