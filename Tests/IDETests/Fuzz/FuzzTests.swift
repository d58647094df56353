import BlockIO
import Glibc
import IDE
import XCTest
@testable import TestSupport

/// A guest without manners on a host that is out of order: registers, tables, packets, media, resets,
/// saves. Nothing may trap, hang, or touch what it must not; `FuzzMachine+Check.swift` says what is
/// looked at.
///
/// IDE_FUZZ_ACCESSES says how many accesses there are, IDE_FUZZ_SEED (1) with which seed they begin, and
/// IDE_FUZZ_LOG that failures show what came before.
final class FuzzTests: XCTestCase {
    /// Of one machine.
    private static let perRound = 10_000

    func testAccesses() throws {
        let environment = ProcessInfo.processInfo.environment
        let total = environment["IDE_FUZZ_ACCESSES"].flatMap { Int($0) } ?? 120_000
        let first = environment["IDE_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        let remembers = environment["IDE_FUZZ_LOG"] != nil
        let files = try FuzzFiles()
        var sum = FuzzMachine.Tally()
        for round in 0..<max(1, total / Self.perRound) {
            let seed = first &+ UInt64(round)
            let tally = try Watchdog.guarding("the fuzzer, IDE_FUZZ_SEED=\(seed)") {
                try run(files, seed, remembers, accesses: min(total, Self.perRound))
            }
            guard let tally else { return }
            sum.add(tally)
            if (round + 1) % 100 == 0 { report(sum, "seeds \(first)...\(seed)") }
        }
        report(sum, "seeds from \(first)")
        // All of it has happened.
        if total >= 100_000 {
            for (name, value) in sum.counts { XCTAssertGreaterThan(value, 0, name) }
        }
    }

    /// One machine. The seed decides what it is and what its guest does; when the host answers is for the
    /// host to say, but for libaio on tmpfs.
    private func run(
        _ files: FuzzFiles, _ seed: UInt64, _ remembers: Bool, accesses: Int
    ) throws -> FuzzMachine.Tally? {
        var random = SplitMix64(seed: seed)
        let machine = try FuzzMachine(files, &random, round: Int(truncatingIfNeeded: seed & 0xFFFF))
        do {
            try FuzzGuest(machine, random, remembers: remembers).run(accesses: accesses)
            try machine.check()
        } catch let finding as FuzzFinding {
            XCTFail("IDE_FUZZ_SEED=\(seed), \(machine.description): \(finding.text)")
            return nil
        }
        machine.tally.faults = machine.faults.injectedCount
        return machine.tally
    }

    private func report(_ tally: FuzzMachine.Tally, _ what: String) {
        let counts = tally.counts.map { "\($0.value) \($0.name)" }.joined(separator: ", ")
        print(
            "fuzzer, \(what): \(counts); at most \(tally.mostEvents) events and "
                + "\(tally.mostAccesses) device accesses in one call")
    }
}

extension FuzzMachine.Tally {
    var counts: [(name: String, value: Int)] {
        [
            ("accesses", accesses), ("commands", commands), ("packets", packets),
            ("tables", tables), ("transfers to memory", transfers), ("failed commands", failures),
            ("interrupts", interrupts), ("host faults", faults), ("requests kept", stops),
            ("saves", saves), ("moves", moves), ("damaged states taken", damaged),
            ("resets", resets), ("medium changes", media), ("comparisons", checks),
        ]
    }

    mutating func add(_ other: Self) {
        accesses += other.accesses
        commands += other.commands
        packets += other.packets
        tables += other.tables
        transfers += other.transfers
        failures += other.failures
        interrupts += other.interrupts
        faults += other.faults
        stops += other.stops
        saves += other.saves
        moves += other.moves
        damaged += other.damaged
        resets += other.resets
        media += other.media
        checks += other.checks
        changed += other.changed
        mostEvents = max(mostEvents, other.mostEvents)
        mostAccesses = max(mostAccesses, other.mostAccesses)
    }
}
