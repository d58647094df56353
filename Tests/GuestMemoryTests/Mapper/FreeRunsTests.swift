import XCTest

@testable import GuestMemory
@testable import TestSupport

/// Runs of free units, beside a row of booleans.
final class FreeRunsTests: RandomTestCase {
    private func firstRun(_ length: Int, _ isTaken: [Bool]) -> Int? {
        var run = 0
        for (index, taken) in isTaken.enumerated() {
            run = taken ? 0 : run + 1
            if run == length { return index + 1 - length }
        }
        return nil
    }

    func testTheFirstRunIsTaken() {
        forEachCase(20) { random in
            let count = 1 << random.number(0...10)
            var runs = FreeRuns(count: count)
            var isTaken = [Bool](repeating: false, count: count)
            var given: [(start: Int, length: Int)] = []
            for _ in 0..<300 {
                if random.number(0...9) < 6 {
                    let limits = [1, 3, 70, 200, count].map { min($0, count) }
                    let length = random.number(1...limits[random.number(0...4)])
                    let start = runs.take(length)
                    XCTAssertEqual(start, firstRun(length, isTaken))
                    guard let start else { continue }
                    given.append((start, length))
                    for unit in start..<start + length { isTaken[unit] = true }
                } else if !given.isEmpty {
                    let (start, length) = given.remove(at: random.number(0...given.count - 1))
                    runs.free(start, length)
                    for unit in start..<start + length { isTaken[unit] = false }
                }
                XCTAssertEqual(runs.count, isTaken.count { !$0 })
            }
        }
    }

    func testMoreThanThereIsCannotBeTaken() {
        var runs = FreeRuns(count: 1)
        XCTAssertNil(runs.take(2))
        XCTAssertEqual(runs.take(1), 0)
        XCTAssertNil(runs.take(1))
        runs.free(0, 1)
        XCTAssertEqual(runs.take(1), 0)
    }
}
