import GuestMemory
import XCTest

/// Every order in which three transfers can wait for bounce memory, be woken, be answered by their device
/// and go on, with at most one failure or cancellation: all of them, not a sample.
final class WaitingExplorationTests: XCTestCase {
    private typealias Plan = WaitingWorld.Plan

    /// Which mapper each of three transfers belongs to, in all ways that differ by more than names.
    private static let partitions = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 1, 2]]

    /// Runs every sequence of actions; how many there were.
    private func explore(_ plans: [Plan], answersAtOnce: Bool = false) throws -> Int {
        let world = try WaitingWorld(plans, answersAtOnce: answersAtOnce)
        var choices = Choices()
        var runs = 0
        repeat {
            world.reset()
            var trace: [WaitingWorld.Action] = []
            do {
                while true {
                    let actions = world.actions()
                    if actions.isEmpty { break }
                    let action = actions[choices.choose(actions.count)]
                    trace.append(action)
                    try world.perform(action)
                }
                try world.checkEnd()
            } catch let wrong as WaitingWorld.Wrong {
                XCTFail("\(wrong.what)\n  \(plans)\n  \(trace)")
                return runs
            }
            runs += 1
        } while choices.advance()
        return runs
    }

    /// Calls `body` with the numbers of units of three transfers: a piece has at most two.
    private func forEachSize(_ limit: Int, _ body: ([Int]) throws -> Void) rethrows {
        for first in 1...limit {
            for second in 1...limit {
                for third in 1...limit {
                    try body([first, second, third])
                    if let testRun, testRun.totalFailureCount > 0 { return }
                }
            }
        }
    }

    private func report(_ runs: Int) {
        print("\(name): \(runs) runs")
        XCTAssertGreaterThan(runs, 1000)
    }

    func testTransfersOfMemory() throws {
        var runs = 0
        try forEachSize(3) { sizes in
            for partition in Self.partitions {
                for answersAtOnce in [false, true] {
                    let plans = (0..<3).map {
                        Plan(
                            units: sizes[$0], mapper: partition[$0],
                            direction: $0 == 1 ? .toDevice : .fromDevice)
                    }
                    runs += try explore(plans, answersAtOnce: answersAtOnce)
                }
            }
        }
        report(runs)
    }

    /// Transfers that also wait for another process, before the device has a piece or after it.
    func testTransfersOfRemoteMemory() throws {
        var runs = 0
        try forEachSize(2) { sizes in
            // One is remote, or all are: bits of a mask.
            for remotes in [1, 2, 4, 7] {
                for direction in [DMADirection.fromDevice, .toDevice] {
                    let plans = (0..<3).map {
                        Plan(
                            units: sizes[$0], mapper: direction == .toDevice && $0 == 1 ? 1 : 0,
                            kind: remotes >> $0 & 1 == 1 ? .remote : .local,
                            direction: direction)
                    }
                    runs += try explore(plans)
                }
            }
        }
        report(runs)
    }

    /// Beside a transfer in one step, which takes what is there now or nothing.
    func testBesideAMapping() throws {
        var runs = 0
        try forEachSize(2) { sizes in
            for partition in Self.partitions {
                for mapping in 0..<3 {
                    let plans = (0..<3).map {
                        Plan(
                            units: sizes[$0], mapper: partition[$0],
                            kind: $0 == mapping ? .mapping : .local)
                    }
                    runs += try explore(plans)
                }
            }
        }
        report(runs)
    }
}
