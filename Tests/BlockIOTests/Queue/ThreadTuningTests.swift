import XCTest
@testable import BlockIO

/// How many threads a pool finds to be enough. A device of these tests is a function: transfers a second
/// by the number of threads.
final class ThreadTuningTests: XCTestCase {
    private static let millisecond: UInt64 = 1_000_000

    /// A device that takes its time from the processors.
    func testFewThreadsWhereMoreAreNotFaster() {
        var device = Device { _ in 100_000 }
        device.run(periods: 20, demand: 32)
        XCTAssertEqual(device.limits.prefix(5), [.max, 16, 8, 4, 2])
        XCTAssertEqual(device.tuning.limit, ThreadTuning.minimum)
    }

    func testFewThreadsWhereMoreAreSlower() {
        var device = Device { 100_000 - 1_000 * $0 }
        device.run(periods: 20, demand: 32)
        XCTAssertEqual(device.tuning.limit, ThreadTuning.minimum)
    }

    /// A device that works on ten requests at once, and is not to lose by the trials.
    func testAsManyThreadsAsTheDeviceHasUseFor() {
        var device = Device { 10_000 * min($0, 10) }
        device.run(periods: 400, demand: 32)
        XCTAssertEqual(device.usualLimit, 16)
        XCTAssertGreaterThan(device.share(of: 100_000), 0.98)
    }

    func testAThreadForEachRequestWhereEachCounts() {
        var device = Device { 10_000 * $0 }
        device.run(periods: 400, demand: 32)
        XCTAssertEqual(device.usualLimit, .max)
        XCTAssertGreaterThan(device.share(of: 320_000), 0.98)
    }

    func testMoreThreadsOnceMoreAreFaster() {
        var device = Device { _ in 100_000 }
        device.run(periods: 20, demand: 32)
        device.rate = { 10_000 * $0 }
        device.run(periods: 400, demand: 32)
        XCTAssertTrue(device.limits.contains(32), "\(device.limits)")
    }

    /// Small losses do not add up: each number of threads is compared with what was best.
    func testALossThatGrowsIsSeen() {
        var device = Device { 100_000 - 2_000 * max(0, 5 - $0.trailingZeroBitCount) }
        device.run(periods: 6, demand: 32)
        XCTAssertEqual(device.usualLimit, 16)
    }

    func testTooFewRequestsForATrial() {
        var device = Device { _ in 100_000 }
        device.run(periods: 20, demand: 2)
        XCTAssertEqual(device.limits, [.max])
    }

    /// Moments in which the caller has nothing to do are not the fault of the threads.
    func testAPauseOfTheCallerBeginsThePeriodAgain() {
        var tuning = ThreadTuning()
        var now = Self.millisecond
        for transfer in 1...ThreadTuning.transfers * 10 {
            now += transfer % 100 == 0 ? 5 * Self.millisecond : 70_000
            XCTAssertFalse(tuning.note(now, atWork: 32, areLeft: false))
        }
        XCTAssertEqual(tuning.limit, .max)
    }

    /// Threads read the clock before they take the lock.
    func testAClockThatGoesBack() {
        var tuning = ThreadTuning()
        let start = 1_000 * Self.millisecond
        for transfer in 0..<ThreadTuning.transfers * 3 / 2 {
            let now = start + transfer * 70_000
            _ = tuning.note(transfer % 2 == 0 ? now : now - 60_000, atWork: 32, areLeft: false)
        }
        XCTAssertEqual(tuning.limit, 16)
    }

    private struct Device {
        var rate: (Int) -> Int
        var tuning = ThreadTuning()
        /// The limits that differ from the ones before, and how many transfers each had.
        var limits = [Int.max]
        private var now: UInt64 = 1
        private var transfers: [Int: Int] = [:]
        private var total = 0

        init(rate: @escaping (Int) -> Int) { self.rate = rate }

        /// A caller that always has `demand` requests under way.
        mutating func run(periods: Int, demand: Int) {
            let end = now + UInt64(periods) * ThreadTuning.period
            while now < end {
                let atWork = min(tuning.limit, demand)
                now += 1_000_000_000 / UInt64(rate(atWork))
                let before = tuning.limit
                let isMore = tuning.note(now, atWork: atWork, areLeft: atWork < demand)
                XCTAssertEqual(isMore, tuning.limit > before)
                if tuning.limit != before { limits.append(tuning.limit) }
                transfers[before, default: 0] += 1
                total += 1
            }
        }

        /// The limit that most transfers had.
        var usualLimit: Int? { transfers.max { $0.value < $1.value }?.key }

        /// How much of `rate` was reached over all periods.
        func share(of rate: Int) -> Double { Double(total) / (Double(rate) * Double(now) / 1e9) }
    }
}
