import BlockIO
import XCTest
@testable import TestSupport

/// Limits that are refused, when an image is opened and later.
final class RateLimitOptionTests: XCTestCase {
    func testValuesOutsideTheirRanges() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 16))
        defer { target.close() }
        let valid = RateLimits(
            operations: RateLimit(.max, per: .nanoseconds(1), burst: 1),
            bytes: RateLimit(1, per: .seconds(366 * 24 * 3600), burst: .max))
        let image = try BlockImage.open(
            target.path, OpenOptions(lock: .off, rateLimits: valid))
        XCTAssertEqual(image.rateLimits, valid)
        let bad = [
            RateLimit(0), RateLimit(0, burst: 1), RateLimit(1, burst: 0), RateLimit(1, per: .zero),
            RateLimit(1, per: .seconds(-1)), RateLimit(1, per: .seconds(366 * 24 * 3600 + 1)),
            RateLimit(1, per: .seconds(Int64.max)),
        ]
        let places: [WritableKeyPath<RateLimits, RateLimit?>] = [
            \.operations, \.readOperations, \.writeOperations, \.bytes, \.readBytes, \.writeBytes,
        ]
        for limit in bad {
            for place in places {
                var limits = RateLimits()
                XCTAssertTrue(limits.isEmpty)
                limits[keyPath: place] = limit
                XCTAssertFalse(limits.isEmpty)
                assertRefused { try image.setRateLimits(limits) }
                assertRefused {
                    _ = try BlockImage.open(
                        target.path, OpenOptions(lock: .off, rateLimits: limits))
                }
            }
        }
        XCTAssertEqual(image.rateLimits, valid)
        try image.setRateLimits(RateLimits())
        XCTAssertTrue(image.rateLimits.isEmpty)
    }

    private func assertRefused(line: UInt = #line, _ body: () throws -> Void) {
        XCTAssertThrowsError(try body(), line: line) {
            XCTAssertEqual(($0 as? BlockError)?.code, .invalidOption, "\($0)", line: line)
            XCTAssertTrue("\($0)".contains("rate limit"), "\($0)", line: line)
        }
    }
}
