import XCTest
@testable import BlockIO
@testable import TestSupport

/// When reservations are due, with a clock of the tests' own.
final class RateReservationsTests: XCTestCase {
    private static let second: UInt64 = 1_000_000_000

    private static func read(_ bytes: UInt64) -> RateDemand {
        RateDemand(isRead: true, operations: 1, bytes: bytes)
    }

    private static func write(_ bytes: UInt64) -> RateDemand {
        RateDemand(isRead: false, operations: 1, bytes: bytes)
    }

    func testThoseBehindOneThatIsGivenBackAreDueEarlier() {
        let limits = RateLimits(bytes: RateLimit(1, burst: 10))
        var reservations = RateReservations(limits, now: 0)
        XCTAssertNil(reservations.takeOrReserve(Self.read(4), for: 0, now: 0))
        let large = reservations.reserve(Self.read(30), for: 0, now: 0)
        let small = reservations.reserve(Self.write(2), for: 1, now: 0)
        _ = reservations.reserve(Self.read(5), for: 2, now: 0)
        XCTAssertEqual(
            (0..<3).map { reservations.due(of: $0) },
            [4 * Self.second, 26 * Self.second, 31 * Self.second])
        XCTAssertEqual(reservations.giveBack(large, now: Self.second), 0)
        XCTAssertNil(reservations.due(of: 0))
        XCTAssertTrue(reservations.isDue(small, now: Self.second))
        XCTAssertEqual(reservations.due(of: 2), Self.second)
    }

    func testThoseBeforeItKeepTheirTime() {
        let limits = RateLimits(operations: RateLimit(1, burst: 1))
        var reservations = RateReservations(limits, now: 0)
        reservations.take(Self.read(1), now: 0)
        let numbers = (0..<4).map { reservations.reserve(Self.read(1), for: $0, now: 0) }
        XCTAssertEqual(reservations.giveBack(numbers[1], now: 0), 1)
        XCTAssertEqual(
            [0, 2, 3].map { reservations.due(of: $0) },
            [Self.second, 2 * Self.second, 3 * Self.second])
    }

    /// What waits for one bucket has the tokens of another already.
    func testOnlyTheBucketsOfTheOneThatIsGivenBackMatter() {
        let limits = RateLimits(
            readOperations: RateLimit(1, burst: 1), writeOperations: RateLimit(1, burst: 1),
            bytes: RateLimit(10, burst: 10))
        var reservations = RateReservations(limits, now: 0)
        reservations.take(Self.read(1), now: 0)
        reservations.take(Self.write(1), now: 0)
        let first = reservations.reserve(Self.read(1), for: 0, now: 0)
        let write = reservations.reserve(Self.write(2), for: 1, now: 0)
        let read = reservations.reserve(Self.read(2), for: 2, now: 0)
        XCTAssertEqual(reservations.due(of: 2), 2 * Self.second)
        _ = reservations.giveBack(first, now: 0)
        XCTAssertEqual(reservations.due(of: 1), Self.second)
        XCTAssertEqual(reservations.due(of: 2), Self.second)
        _ = reservations.giveBack(write, now: 0)
        XCTAssertEqual(reservations.due(of: 2), Self.second)
        reservations.end(read)
        XCTAssertNil(reservations.due(of: 2))
        XCTAssertTrue(reservations.waiting.isEmpty)
    }

    func testSumsDoNotOverflow() {
        let limits = RateLimits(bytes: RateLimit(.max, per: .nanoseconds(1), burst: .max))
        var reservations = RateReservations(limits, now: 0)
        let numbers = (0..<5).map { reservations.reserve(Self.write(.max), for: $0, now: .max) }
        for number in numbers { _ = reservations.giveBack(number, now: .max) }
        XCTAssertTrue(reservations.waiting.isEmpty)
        XCTAssertNil(reservations.takeOrReserve(Self.write(.max), for: 0, now: .max))
    }

    /// After each that is given back, all others are due when they are without it.
    func testItIsAsIfItHadNeverBeenMade() {
        var random = SplitMix64(seed: Seed.value)
        for _ in 0..<50 {
            let limits = RateLimits(bytes: RateLimit(7, burst: 20))
            var tested = RateReservations(limits, now: 0)
            var made: [(number: UInt64, now: UInt64, demand: RateDemand)] = []
            var now: UInt64 = 0
            for _ in 0..<60 {
                now += UInt64(random.number(0...4)) * Self.second
                for reservation in tested.waiting where reservation.due <= now {
                    tested.end(reservation.number)
                }
                if random.number(0...2) > 0 || tested.waiting.isEmpty {
                    let demand = Self.read(UInt64(random.number(1...40)))
                    let number = tested.reserve(demand, for: 0, now: now)
                    made.append((number, now, demand))
                    continue
                }
                let place = random.number(0...tested.waiting.count - 1)
                let number = tested.waiting[place].number
                made.removeAll { $0.number == number }
                XCTAssertEqual(tested.giveBack(number, now: now), place)
                var other = RateReservations(limits, now: 0)
                for each in made {
                    let copy = other.reserve(each.demand, for: Int(each.number), now: each.now)
                    guard let waiting = tested.waiting.first(where: { $0.number == each.number })
                    else {
                        other.end(copy)
                        continue
                    }
                    let due = other.due(of: Int(each.number))
                    // When it became due does not matter.
                    XCTAssertEqual(max(waiting.due, now), max(due ?? 0, now))
                }
            }
        }
    }
}
