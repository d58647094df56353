import XCTest
@testable import BlockIO

/// Which buckets a request takes from.
final class RateBucketsTests: XCTestCase {
    private static let hour: UInt64 = 3_600_000_000_000
    private static let one = RateLimit(1, per: .seconds(3600))
    private static let block = RateLimit(4096, per: .seconds(3600))

    private static let read = RateDemand(isRead: true, operations: 1, bytes: 4096)
    private static let write = RateDemand(isRead: false, operations: 1, bytes: 4096)
    private static let discard = RateDemand(isRead: false, operations: 1, bytes: 0)

    func testEachLimitConcernsItsOwnRequests() {
        // The waits of a read, a write and a discard after one of each.
        let rows: [(RateLimits, [UInt64])] = [
            (RateLimits(), [0, 0, 0]),
            (RateLimits(operations: Self.one), [3, 4, 5]),
            (RateLimits(readOperations: Self.one), [1, 0, 0]),
            (RateLimits(writeOperations: Self.one), [0, 2, 3]),
            (RateLimits(bytes: Self.block), [2, 3, 0]),
            (RateLimits(readBytes: Self.block), [1, 0, 0]),
            (RateLimits(writeBytes: Self.block), [0, 1, 0]),
            (RateLimits(operations: Self.one, writeBytes: Self.block), [3, 4, 5]),
        ]
        for (limits, expected) in rows {
            var buckets = RateBuckets(limits, now: 0)
            let demands = [Self.read, Self.write, Self.discard]
            for demand in demands { _ = buckets.reserve(demand, now: 0) }
            let waits = demands.map { buckets.reserve($0, now: 0) / Self.hour }
            XCTAssertEqual(waits, expected, "\(limits)")
        }
    }

    func testWhatIsGivenBackIsThereAgain() {
        let limits = RateLimits(
            operations: RateLimit(1, per: .seconds(3600), burst: 2), readOperations: Self.one,
            bytes: RateLimit(4096, per: .seconds(3600), burst: 8192), writeBytes: Self.block)
        for demand in [Self.read, Self.write] {
            var buckets = RateBuckets(limits, now: 0)
            XCTAssertEqual(buckets.reserve(demand, now: 0), 0)
            XCTAssertEqual(buckets.reserve(demand, now: 0), Self.hour)
            buckets.giveBack(demand)
            buckets.giveBack(demand)
            XCTAssertEqual(buckets.reserve(demand, now: 0), 0)
        }
    }
}
