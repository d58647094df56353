import BlockIO
import BlockIOTesting
import Glibc

/// The decisions of a kernel, all of them enumerated.
final class Scheduler: ModelChooser {
    private let decisions: Decisions
    private let isPartial: Bool
    private var faultsLeft = 0
    private(set) var injectedFaults = 0
    /// What makes the run a bad one, the first such thing.
    private(set) var violation: Violation?
    /// Kept for a violation: what has happened, a line each.
    private(set) var trace: [String] = []
    var isTracing = false
    /// How often the last line was to be repeated.
    private var repetitions = 0
    /// Hangs reported after the first: a queue that asks again and again would never end.
    private var hangs = 0
    static let hangLimit = 1000
    /// Called when the queue asks for ever: the run cannot be left any other way.
    var onEndless: () -> Never = { fatalError("the queue asks again and again in a hang") }

    init(_ decisions: Decisions, isPartial: Bool) {
        self.decisions = decisions
        self.isPartial = isPartial
    }

    func restart(faults: Int) {
        faultsLeft = faults
        injectedFaults = 0
        violation = nil
        trace.removeAll(keepingCapacity: true)
        hangs = 0
        repetitions = 0
    }

    func report(_ kind: Violation.Kind, _ text: String) {
        note("violation: \(text)")
        if violation == nil { violation = Violation(kind: kind, text: text) }
    }

    // MARK: Decisions

    var isAutonomous: Bool { false }

    func accepted(of offered: Int) -> Int {
        if faultsLeft == 0 { return offered }
        // The first alternative is the usual one.
        let missing = decisions.pick(offered + 1)
        if missing > 0 { takeFault() }
        return offered - missing
    }

    /// One at a time makes for every order; in partial mode any number ends at once.
    func number(from least: Int, through most: Int) -> Int {
        let most = isPartial ? most : min(most, max(least, 1))
        return most - decisions.pick(most - least + 1)
    }

    func index(below count: Int) -> Int { decisions.pick(count) }

    func cancels() -> Bool { decisions.pick(2) == 1 }

    func fault(of menu: [ModelFault]) -> ModelFault? {
        if faultsLeft == 0 { return nil }
        let choice = decisions.pick(menu.count + 1)
        if choice == 0 { return nil }
        takeFault()
        return menu[choice - 1]
    }

    /// Whether something has ended already when the caller looks.
    func endsEarly() -> Bool { isPartial && decisions.pick(2) == 1 }

    /// Whether a wait with a limit ends by it although something could end before.
    func passesTime() -> Bool { decisions.pick(2) == 1 }

    func reportHang(_ text: String) {
        if hangs == 0 { report(.hang, text) }
        hangs += 1
        if hangs > Self.hangLimit { onEndless() }
    }

    func reportMisuse(_ text: String) { report(.misuse, text) }

    func note(_ text: @autoclosure () -> String) {
        guard isTracing else { return }
        let line = text()
        if line == trace.last {
            repetitions += 1
        } else {
            if repetitions > 0 { trace.append("  (\(repetitions) times more)") }
            repetitions = 0
            trace.append(line)
        }
    }

    private func takeFault() {
        faultsLeft -= 1
        injectedFaults += 1
    }
}

/// What a queue must never do.
package struct Violation: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case hang = "hang"
        case lostWake = "lost wake-up"
        case endlessPolling = "endless polling"
        case completions = "completions"
        case failure = "unexpected failure"
        case bytes = "wrong bytes"
        case lostData = "lost stable data"
        case flush = "flush after a failure"
        case size = "size"
        case misuse = "misuse of the engine"
    }

    package let kind: Kind
    package let text: String
}
