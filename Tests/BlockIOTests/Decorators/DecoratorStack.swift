import BlockIO
import BlockIOTesting
import Glibc
@testable import TestSupport

/// Decorators over an engine, from above, and what drives them.
final class DecoratorStack {
    /// One of each kind.
    enum Member: String, CaseIterable {
        case holds, delays, refusals, failures, shortAnswers, flippedBytes, reordering
        case power, alignment, log
    }

    let members: [Member]
    /// One for each member that has rules.
    private let injectors: [Member: FaultInjector]
    let power = PowerSwitch()
    /// What the engine itself is asked: it is below all members.
    let asked = SubmissionLog()
    /// That of the member, wherever it is.
    let passing = SubmissionLog()

    init(_ members: [Member]) {
        self.members = members
        let driven = members.filter { ![.power, .alignment, .log].contains($0) }
        injectors = Dictionary(
            uniqueKeysWithValues: driven.map { ($0, FaultInjector(seed: Seed.value)) })
    }

    /// Nothing, each alone, and all pairs in both orders.
    static let all: [[Member]] =
        [[]] + Member.allCases.map { [$0] }
        + Member.allCases.flatMap { above in
            Member.allCases.filter { $0 != above }.map { [above, $0] }
        }

    var options: QueueOptions {
        QueueOptions().decorated(by: members.map(decorator) + [.logged(in: asked)])
    }

    private func decorator(_ member: Member) -> QueueDecorator {
        switch member {
        case .holds: .holds(injectors[member]!)
        case .delays: .delays(injectors[member]!)
        case .refusals: .refusals(injectors[member]!)
        case .failures: .failures(injectors[member]!)
        case .shortAnswers: .shortAnswers(injectors[member]!)
        case .flippedBytes: .flippedBytes(injectors[member]!)
        case .reordering: .reordering(injectors[member]!)
        case .power: .powered(by: power)
        case .alignment: .alignmentChecked
        case .log: .logged(in: passing)
        }
    }

    /// Adds the rule that drives a member, for `count` engine submissions after the first `after`.
    func drive(_ member: Member, after: Int = 0, count: Int) {
        let fault: FaultInjector.Fault
        var operations = Set(BlockIO.BlockOperation.allCases)
        switch member {
        case .holds: fault = .hold
        case .delays: fault = .delay(.microseconds(300))
        case .refusals: fault = .refuse
        case .failures:
            fault = .error(EIO)
            operations = [.read, .write]
        case .shortAnswers:
            fault = .short(512)
            operations = [.read, .write]
        case .flippedBytes:
            fault = .flipByte
            operations = [.read]
        case .reordering: fault = .reorder
        case .power, .alignment, .log: return
        }
        injectors[member]?.add(
            .init(fault, operations: operations, after: after, count: count))
    }

    /// Adds a rule for one place.
    func drive(_ member: Member, _ fault: FaultInjector.Fault, in range: Range<UInt64>) {
        injectors[member]?.add(.init(fault, range: range))
    }

    /// Lets go what is held.
    func release() { injectors[.holds]?.release() }

    var heldCount: Int { injectors[.holds]?.heldCount ?? 0 }

    /// The members with rules that have done nothing.
    var idle: [Member] { injectors.filter { $0.value.injectedCount == 0 }.map(\.key) }
}
