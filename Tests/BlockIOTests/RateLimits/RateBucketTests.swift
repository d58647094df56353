import XCTest
@testable import BlockIO

/// The token bucket, with a clock of the tests' own.
final class RateBucketTests: XCTestCase {
    /// Something that happens to a bucket.
    private enum Event {
        /// At this nanosecond, this many tokens are reserved, and the wait is that.
        case reserve(UInt64, _ tokens: UInt64, wait: UInt64)
        case giveBack(_ tokens: UInt64)
    }

    private struct Row {
        let name: String
        let limit: RateLimit
        let events: [Event]
    }

    private static let hour: UInt64 = 3_600_000_000_000
    private static let second: UInt64 = 1_000_000_000
    private static let longest: UInt64 = 366 * 24 * hour

    private static let rows = [
        Row(
            name: "the burst, and then one by one",
            limit: RateLimit(1, per: .seconds(3600), burst: 3),
            events: [
                .reserve(0, 1, wait: 0), .reserve(0, 1, wait: 0), .reserve(0, 1, wait: 0),
                .reserve(0, 1, wait: hour), .reserve(0, 1, wait: 2 * hour),
                .reserve(hour, 1, wait: 2 * hour),
            ]),
        Row(
            name: "a jump of the clock gives the burst and no more",
            limit: RateLimit(10, burst: 5),
            events: [
                .reserve(0, 5, wait: 0), .reserve(1000 * second, 5, wait: 0),
                .reserve(1000 * second, 1, wait: second / 10),
            ]),
        Row(
            name: "a request larger than the burst takes a full bucket and leaves a debt",
            limit: RateLimit(1000, burst: 4096),
            events: [
                .reserve(0, 65536, wait: 0), .reserve(0, 1, wait: 61441 * second / 1000),
                .giveBack(1), .reserve(65536 * second / 1000, 96, wait: 0),
                .reserve(65536 * second / 1000, 65536, wait: 96 * second / 1000),
            ]),
        Row(
            name: "nothing is lost to rounding",
            limit: RateLimit(3, burst: 1),
            events: [
                .reserve(0, 1, wait: 0), .reserve(0, 1, wait: 333_333_334),
                .reserve(333_333_334, 1, wait: 333_333_333),
                .reserve(666_666_667, 1, wait: 333_333_333),
                .reserve(1_000_000_000, 1, wait: 333_333_334),
            ]),
        Row(
            name: "a clock that is read late",
            limit: RateLimit(1, burst: 1),
            events: [
                .reserve(5 * second, 1, wait: 0), .reserve(4 * second, 1, wait: second),
                .reserve(6 * second, 1, wait: second),
            ]),
        Row(
            name: "what is given back can be taken again, up to the burst",
            limit: RateLimit(1, per: .seconds(3600), burst: 3),
            events: [
                .reserve(0, 3, wait: 0), .reserve(0, 1, wait: hour), .giveBack(1),
                .reserve(0, 1, wait: hour), .giveBack(1), .giveBack(1), .reserve(0, 1, wait: 0),
                .giveBack(.max), .reserve(0, 3, wait: 0), .reserve(0, 1, wait: hour),
            ]),
        Row(
            name: "no token never waits, whatever the debt",
            limit: RateLimit(1, burst: 1),
            events: [.reserve(0, .max, wait: 0), .reserve(0, 0, wait: 0)]),
        Row(
            name: "the fastest limit",
            limit: RateLimit(.max, per: .nanoseconds(1), burst: .max),
            events: [
                .reserve(0, .max, wait: 0), .reserve(0, .max, wait: 1), .reserve(0, 1, wait: 2),
                .reserve(.max, .max, wait: 0), .reserve(.max, .max, wait: 1),
            ]),
        Row(
            name: "the slowest limit",
            limit: RateLimit(1, per: RateLimit.longestInterval, burst: .max),
            events: [
                .reserve(0, .max, wait: 0), .reserve(0, 1, wait: longest),
                .reserve(longest, .max, wait: .max), .reserve(.max, 1, wait: .max),
                .giveBack(.max), .giveBack(.max), .giveBack(.max), .reserve(.max, 1, wait: 0),
            ]),
    ]

    func testEachEvent() {
        for row in Self.rows {
            var bucket = RateBucket(row.limit, now: 0)
            for (index, event) in row.events.enumerated() {
                switch event {
                case .reserve(let now, let tokens, let wait):
                    XCTAssertEqual(
                        bucket.reserve(tokens, now: now), wait, "\(row.name), event \(index)")
                case .giveBack(let tokens): bucket.giveBack(tokens)
                }
            }
        }
    }

    /// Sums do not overflow, whatever is reserved and however often.
    func testTheLargestDebt() {
        for burst: UInt64 in [1, .max] {
            for (amount, interval) in [
                (1, RateLimit.longestInterval), (UInt64.max, .nanoseconds(1)),
                (.max, RateLimit.longestInterval), (1, .nanoseconds(1)),
            ] {
                let limit = RateLimit(amount, per: interval, burst: burst)
                var bucket = RateBucket(limit, now: 0)
                var last: UInt64 = 0
                for _ in 0..<1000 {
                    let wait = bucket.reserve(.max, now: 0)
                    XCTAssertGreaterThanOrEqual(wait, last, "\(limit)")
                    last = wait
                }
                XCTAssertGreaterThan(last, 0)
                _ = bucket.reserve(.max, now: .max)
                for _ in 0..<2000 { bucket.giveBack(.max) }
                XCTAssertEqual(bucket.reserve(burst, now: .max), 0, "\(limit)")
            }
        }
    }

    /// In an hour of requests at random moments, no more pass than the limit and the burst allow, and no fewer when
    /// there is always one that waits.
    func testTheRateIsTheLimit() {
        let limit = RateLimit(7, burst: 20)
        var bucket = RateBucket(limit, now: 0)
        var random = SystemRandomNumberGenerator()
        var now: UInt64 = 0
        var passed: UInt64 = 0
        while now < Self.hour {
            let tokens = UInt64.random(in: 1...40, using: &random)
            now += bucket.reserve(tokens, now: now)
            let allowed = limit.burst + (now * limit.amount + Self.second - 1) / Self.second
            // The last one may leave a debt.
            XCTAssertLessThanOrEqual(passed, allowed)
            passed += tokens
            XCTAssertGreaterThanOrEqual(passed + limit.burst, now * limit.amount / Self.second)
        }
    }
}
