import BlockHost
import BlockIO
import Glibc

/// An engine with one decorator over it. It keeps the submissions and answers that the decorator wants kept,
/// and asks `base` exactly what it is asked itself.
struct DecoratedEngine: ~Copyable, Engine {
    private let base: any OpenEngine
    private let decorator: any SubmissionDecorator
    private let layer: DecoratorLayer

    /// Taken from above, to be taken by the engine.
    private var accepted = RequestFIFO()
    private var held: [(request: RequestPointer, rule: FaultInjector.RuleID)] = []
    private var delayed: [(request: RequestPointer, until: UInt64)] = []
    /// Answered by the decorator, without the engine.
    private var ownAnswers = RequestFIFO()
    /// Done, and to come after another.
    private var withheld: [RequestPointer] = []
    /// The submissions whose answer the decorator wants to see.
    private var marks: [RequestPointer: Int] = [:]

    init(_ base: any OpenEngine, _ decorator: any SubmissionDecorator) {
        self.base = base
        self.decorator = decorator
        layer = DecoratorLayer(base.wakeEvent)
        // A wait ends when somebody lets an operation go.
        base.openToWakes()
        decorator.attach(layer)
    }

    /// Without what is held, which ends only when somebody lets it go.
    var inFlight: Int {
        base.inFlight + accepted.count + delayed.count + ownAnswers.count + withheld.count
    }

    var descriptor: CInt { base.descriptor }
    var wakeEvent: WakeEvent { base.wakeEvent }
    var inlineCompletions: UInt64 { base.inlineCompletions }
    var pollerOperations: UInt64 { base.pollerOperations }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        if decorator.isIdle { return base.submit(&pending, answered: &answered) }
        // First: what was let go before a submission came cannot mean that submission.
        releaseHeld()
        accept(&pending)
        var fromBase = RequestFIFO()
        askBase(&fromBase)
        deliver(&fromBase, to: &answered)
        // The next look finds it.
        if !ownAnswers.isEmpty || !withheld.isEmpty && isQuietBelow { base.wakeEvent.signal() }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        if decorator.isIdle {
            return base.reap(
                minimum: minimum, limit: limit, pending: &pending, answered: &answered)
        }
        releaseHeld()
        accept(&pending)
        releaseDelayed()
        answered.append(contentsOf: &ownAnswers)
        let wanted = answered.isEmpty ? (decorator.mayEndWaits ? min(minimum, 1) : minimum) : 0
        var fromBase = RequestFIFO()
        let end = base.reap(
            minimum: wanted, limit: wanted > 0 ? shortened(limit) : .nanoseconds(0),
            pending: &accepted, answered: &fromBase)
        // What came due since the look above: the wake that told of it has been taken.
        releaseHeld()
        releaseDelayed()
        askBase(&fromBase)
        answered.append(contentsOf: &ownAnswers)
        deliver(&fromBase, to: &answered)
        if !withheld.isEmpty && (!answered.isEmpty || isQuietBelow) {
            for request in withheld.reversed() { answered.append(request) }
            withheld.removeAll()
        }
        return end
    }

    mutating func cancel(_ request: RequestPointer) {
        if let index = held.firstIndex(where: { $0.request == request }) {
            held.remove(at: index)
            decorator.countHeld(-1)
        } else if let index = delayed.firstIndex(where: { $0.request == request }) {
            delayed.remove(at: index)
        } else if accepted.contains(request) {
            accepted.remove(request)
        } else if ownAnswers.contains(request) || withheld.contains(request) {
            return
        } else {
            return base.cancel(request)
        }
        marks[request] = nil
        answer(request, ECANCELED)
        base.wakeEvent.signal()
    }

    mutating func shutDown() {
        decorator.detach(layer)
        layer.close()
        base.close()
    }

    // MARK: On the way down

    private mutating func accept(_ pending: inout RequestFIFO) {
        while let request = pending.takeFirst() {
            request.pointee.isTransientFailure = false
            switch decorator.passage(of: AskedSubmission(request: request)) {
            case .asked: accepted.append(request)
            case .watched(let mark):
                marks[request] = mark
                accepted.append(request)
            case .answered(let errno, let isTransient):
                request.pointee.isTransientFailure = isTransient
                answer(request, errno)
            case .held(let rule):
                held.append((request, rule))
                decorator.countHeld(1)
            case .delayed(let nanoseconds):
                delayed.append((request, monotonicNanoseconds() + nanoseconds))
                // For those who sleep on the descriptor; whoever waits in `reap` comes back by itself.
                if descriptor >= 0 { layer.wake(after: nanoseconds) }
            case .refused:
                // Nothing in flight may ever come back to give it another chance.
                base.wakeEvent.signal()
                return pending.giveBack(request)
            }
        }
    }

    /// Asks the engine below what has been accepted.
    private mutating func askBase(_ fromBase: inout RequestFIFO) {
        if !accepted.isEmpty { base.submit(&accepted, answered: &fromBase) }
        // What it has not taken is in the list here, not in the queue's.
        accepted.markTaken()
    }

    private mutating func answer(_ request: RequestPointer, _ errno: CInt) {
        request.pointee.result = -Int64(errno)
        ownAnswers.append(request)
    }

    private mutating func releaseHeld() {
        let before = held.count
        for rule in decorator.takeReleased(layer) {
            for entry in held where rule == nil || entry.rule == rule {
                accepted.append(entry.request)
            }
            held.removeAll { rule == nil || $0.rule == rule }
        }
        decorator.countHeld(held.count - before)
    }

    private mutating func releaseDelayed() {
        guard !delayed.isEmpty else { return }
        let now = monotonicNanoseconds()
        for entry in delayed where entry.until <= now { accepted.append(entry.request) }
        delayed.removeAll { $0.until <= now }
    }

    /// A wait ends when the next delay does.
    private func shortened(_ limit: WaitLimit) -> WaitLimit {
        guard let next = delayed.map(\.until).min() else { return limit }
        let now = monotonicNanoseconds()
        return limit.atMost(Int64(next > now ? next - now : 0))
    }

    // MARK: On the way up

    /// No further answer can be expected.
    private var isQuietBelow: Bool { base.inFlight + accepted.count + delayed.count == 0 }

    private mutating func deliver(_ fromBase: inout RequestFIFO, to answered: inout RequestFIFO) {
        while let request = fromBase.popFirst() {
            let asked = AskedSubmission(request: request)
            if let mark = marks.removeValue(forKey: request),
                decorator.takeAnswer(of: asked, mark: mark) == .afterAnother
            {
                withheld.append(request)
            } else {
                answered.append(request)
            }
        }
    }
}
