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

        /// Requests come to the same end with it.
        var isHarmless: Bool { self != .failures && self != .power && self != .flippedBytes }
    }

    let members: [Member]
    let faults = FaultInjector(seed: Seed.value)
    let power = PowerSwitch()
    /// What the engine itself is asked: it is below all members.
    let asked = OperationLog()
    /// That of the member, wherever it is.
    let passing = OperationLog()

    init(_ members: [Member]) { self.members = members }

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
        case .holds: .holds(faults)
        case .delays: .delays(faults)
        case .refusals: .refusals(faults)
        case .failures: .failures(faults)
        case .shortAnswers: .shortAnswers(faults)
        case .flippedBytes: .flippedBytes(faults)
        case .reordering: .reordering(faults)
        case .power: .powered(by: power)
        case .alignment: .alignmentChecked
        case .log: .logged(in: passing)
        }
    }

    /// Adds the rule that drives a member, for `count` operations after the first `after`.
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
        faults.add(.init(fault, operations: operations, after: after, count: count))
    }

    /// How many of the members have rules.
    var driven: Int { members.filter { ![.power, .alignment, .log].contains($0) }.count }
}
