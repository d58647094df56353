import IDE
import XCTest
@testable import TestSupport

/// States that come from anywhere: saved at many points of a run, then changed. A state is refused, and
/// nothing has changed, or the machine can run with it.
///
/// IDE_STATE_FUZZ_MUTATIONS says how many changed states there are for each seed, IDE_STATE_FUZZ_SEEDS (1)
/// how many seeds, IDE_FUZZ_SEED (1) which is the first, and IDE_FUZZ_LOG that failures show what came before.
final class StateFuzzTests: XCTestCase {
    /// States that the changed ones are made of, from each run.
    private static let statesPerRun = 24
    /// Changed states from each run.
    private static let mutationsPerRun = 100

    func testChangedStates() throws {
        let environment = ProcessInfo.processInfo.environment
        let number = { (name: String, value: Int) in environment[name].flatMap { Int($0) } ?? value
        }
        let mutations = max(1, number("IDE_STATE_FUZZ_MUTATIONS", 800))
        let first = number("IDE_FUZZ_SEED", 1)
        let files = try FuzzFiles()
        var sum = FuzzMachine.Tally()
        for seed in first..<first + max(1, number("IDE_STATE_FUZZ_SEEDS", 1)) {
            var done = 0
            var round = 0
            while done < mutations {
                let count = min(Self.mutationsPerRun, mutations - done)
                let tally = try Watchdog.guarding("state fuzzer, IDE_FUZZ_SEED=\(seed)") {
                    try run(files, seed, round: round, count, environment["IDE_FUZZ_LOG"] != nil)
                }
                guard let tally else { return }
                sum.add(tally)
                done += count
                round += 1
            }
        }
        print(
            "state fuzzer, seeds from \(first): \(sum.changed) changed states, \(sum.damaged) of "
                + "them accepted, \(sum.accesses) accesses, \(sum.stops) requests kept")
        if sum.changed >= 800 {
            XCTAssertGreaterThan(sum.damaged, 50)
            XCTAssertGreaterThan(sum.changed - sum.damaged, 50)
        }
    }

    /// One machine of a seed.
    private func run(
        _ files: FuzzFiles, _ seed: Int, round: Int, _ count: Int, _ remembers: Bool
    ) throws -> FuzzMachine.Tally? {
        var random = SplitMix64(seed: UInt64(truncatingIfNeeded: seed) << 20 | UInt64(round))
        let machine = try FuzzMachine(files, &random, round: seed &+ round)
        let guest = FuzzGuest(machine, random, remembers: remembers)
        do {
            let moments = guest.collectStates(Self.statesPerRun)
            try guest.report()
            guard !moments.isEmpty else { throw FuzzFinding(text: "no state was saved") }
            guest.becomeKnown()
            for _ in 0..<count {
                guest.tryState(moments)
                try guest.report()
            }
            try machine.check()
        } catch let finding as FuzzFinding {
            XCTFail("IDE_FUZZ_SEED=\(seed) round \(round), \(machine.description): \(finding.text)")
            return nil
        }
        return machine.tally
    }
}
