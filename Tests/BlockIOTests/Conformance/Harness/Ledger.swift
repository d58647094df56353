import BlockIO
import XCTest
@testable import TestSupport

/// Says whether each of a number of requests, told apart by their userData from 0 on, completed
/// exactly once.
struct Ledger {
    private var counts: [Int]
    private var strays: [UInt] = []
    /// Completions with a failure.
    private(set) var failures: [BlockCompletion] = []

    /// For requests 0 up to `count`.
    init(count: Int) {
        counts = [Int](repeating: 0, count: count)
    }

    /// Notes a completion.
    mutating func note(_ completion: BlockCompletion) {
        if completion.userData < UInt(counts.count) {
            counts[Int(completion.userData)] += 1
        } else {
            strays.append(completion.userData)
        }
        if !completion.isSuccess { failures.append(completion) }
    }

    /// Whether all have completed.
    var isComplete: Bool { counts.allSatisfy { $0 > 0 } }

    /// Asserts that each has completed once, and successfully.
    func assertAllSucceeded(file: StaticString = #filePath, line: UInt = #line) {
        assertAllCompleted(file: file, line: line)
        XCTAssertTrue(failures.isEmpty, "\(failures.prefix(3))", file: file, line: line)
    }

    /// Asserts that each has completed once, whatever became of it.
    func assertAllCompleted(file: StaticString = #filePath, line: UInt = #line) {
        let never = counts.indices.filter { counts[$0] == 0 }
        let often = counts.indices.filter { counts[$0] > 1 }
        XCTAssertTrue(never.isEmpty, "never completed: \(never.prefix(10))", file: file, line: line)
        XCTAssertTrue(often.isEmpty, "more than once: \(often.prefix(10))", file: file, line: line)
        XCTAssertTrue(strays.isEmpty, "nobody's: \(strays.prefix(10))", file: file, line: line)
    }
}
