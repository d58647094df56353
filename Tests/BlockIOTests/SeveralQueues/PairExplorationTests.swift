import Exploration
import XCTest
@testable import TestSupport

/// Every order in which queues of an image that share their writes can make requests, be answered and be polled.
final class PairExplorationTests: XCTestCase {
    /// A part of the programs, another one with another seed.
    func testOneRequestBesideTwoOthers() throws {
        let requests = PairRun.Step.allCases.filter { $0 != .cancel }
        let programs = requests.flatMap { first in
            requests.flatMap { second in
                PairRun.Step.allCases.map { third in [[first], [second, third]] }
            }
        }
        let share = Configuration.choice == "few" ? 60 : 12
        let start = Int(Seed.value % UInt64(share))
        var runs = 0
        for index in stride(from: start, to: programs.count, by: share) {
            runs += try explore(programs[index])
        }
        XCTAssertGreaterThan(runs, programs.count / share * 10)
    }

    /// Two in each, of which one is the write of a part of the same block.
    func testTwoRequestsBesideTwoOthers() throws {
        for first in [PairRun.Step.writeBlock, .shrink] {
            _ = try explore([[.writeFirst, first], [.writeSecond, .cancel]])
        }
    }

    /// Two resizes follow each other, and a third queue's request goes on between them or after them.
    func testTwoResizesBesideAThirdQueue() throws {
        let resizes = [PairRun.Step.shrink, .shrinkInsideBlock]
        for third in [[.writeFirst], [.shrinkInsideBlock], [.writeFirst, .cancel]] + [resizes] {
            _ = try explore([[.shrink], [.shrinkInsideBlock], third])
        }
    }

    /// Returns the number of runs.
    private func explore(_ programs: [[PairRun.Step]]) throws -> Int {
        let decisions = Decisions()
        var runs = 0
        repeat {
            let run = try PairRun(programs, decisions)
            run.run()
            runs += 1
            if !run.complaints.isEmpty {
                XCTFail("\(programs), decisions \(decisions.choices): \(run.complaints)")
                return runs
            }
        } while decisions.advance()
        XCTAssertFalse(decisions.hasDiverged)
        return runs
    }
}
