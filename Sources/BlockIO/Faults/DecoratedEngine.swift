import BlockHost
import Glibc

/// An engine with something between it and the pipeline: the check of every operation, and faults.
struct DecoratedEngine: ~Copyable, Engine {
    private let base: ActiveEngine
    private let checker: AlignmentChecker?
    private let injector: FaultInjector?
    private let identity = Identity()

    /// Taken from the pipeline, to be taken by the engine.
    private var accepted = RequestFIFO()
    private var held: [(request: RequestPointer, rule: FaultInjector.RuleID)] = []
    /// Let go, and on its way on.
    private var letGo = RequestFIFO()
    private var delayed: [(request: RequestPointer, until: UInt64)] = []
    /// Not done at all, but answered.
    private var answered = RequestFIFO()
    /// Done, and held back to change the order.
    private var withheld: [RequestPointer] = []
    /// What is to happen when an operation comes back.
    private var marks: [RequestPointer: FaultInjector.Fault] = [:]

    private final class Identity {}
    private var id: ObjectIdentifier { ObjectIdentifier(identity) }

    init(_ base: ActiveEngine, image: BlockImage, options: QueueOptions) {
        self.base = base
        checker = options.checksEngineRequests ? AlignmentChecker(image: image) : nil
        injector = options.faults
        injector?.attach(id, base.wakeEvent)
    }

    var inFlight: Int {
        base.inFlight + accepted.count + held.count + letGo.count + delayed.count
            + answered.count + withheld.count
    }

    var descriptor: CInt { base.descriptor }
    var wakeEvent: WakeEvent { base.wakeEvent }
    var inlineCompletions: UInt64 { base.inlineCompletions }
    var pollerOperations: UInt64 { base.pollerOperations }

    /// Whether there is nothing to do between the two. (A rule that comes later finds no operation that
    /// it would have to know of.)
    private var isTransparent: Bool { checker == nil && injector?.isIdle == true }

    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        if isTransparent { return base.submit(&pending, finished: &finished) }
        // First: what was let go before an operation came cannot mean that operation.
        releaseHeld()
        accept(&pending)
        base.submit(&accepted, finished: &finished)
        claimAccepted()
        if !answered.isEmpty { base.wake() }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        if isTransparent {
            return base.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        }
        releaseHeld()
        accept(&pending)
        releaseDelayed()
        finished.append(contentsOf: &answered)
        // One: a wake that says that a hold is released must end the wait.
        let isObeyed = injector?.isIdle ?? true
        let wanted = finished.isEmpty ? (isObeyed ? minimum : min(minimum, 1)) : 0
        var ended = RequestFIFO()
        let end = base.reap(
            minimum: wanted, limit: wanted > 0 ? shortened(limit) : .nanoseconds(0),
            pending: &accepted, finished: &ended)
        // What came due since the look above: the wake that told of it has been taken.
        releaseHeld()
        releaseDelayed()
        if !accepted.isEmpty { base.submit(&accepted, finished: &ended) }
        claimAccepted()
        finished.append(contentsOf: &answered)
        while let request = ended.popFirst() { come(back: request, &finished) }
        if !withheld.isEmpty && (!finished.isEmpty || base.inFlight + accepted.count == 0) {
            for request in withheld.reversed() { finished.append(request) }
            withheld.removeAll()
        }
        return end
    }

    mutating func cancel(_ request: RequestPointer) {
        if let index = held.firstIndex(where: { $0.request == request }) {
            held.remove(at: index)
            injector?.countHeld(-1)
        } else if let index = delayed.firstIndex(where: { $0.request == request }) {
            delayed.remove(at: index)
        } else if letGo.contains(request) {
            letGo.remove(request)
        } else if accepted.contains(request) {
            accepted.remove(request)
        } else {
            return base.cancel(request)
        }
        marks[request] = nil
        answer(request, ECANCELED)
        base.wake()
    }

    mutating func shutDown() {
        injector?.detach(id)
        base.destroy()
    }

    // MARK: On the way down

    private mutating func accept(_ pending: inout RequestFIFO, wereHeld: Bool = false) {
        while let request = pending.popFirst() {
            request.operation.pointee.is_pending = false
            let order = request.pointee.engine
            checker?.check(order, of: request.operation.pointee.file)
            request.pointee.isTransientFailure = false
            guard
                let (fault, rule) = injector?.decide(
                    operation(of: request), order, wasHeld: wereHeld)
            else {
                accepted.append(request)
                continue
            }
            switch fault {
            case .error(let errno): answer(request, errno)
            case .transientError(let errno):
                request.pointee.isTransientFailure = true
                answer(request, errno)
            case .short, .flipByte, .reorder:
                marks[request] = fault
                accepted.append(request)
            case .hold:
                held.append((request, rule))
                injector?.countHeld(1)
            case .delay(let duration):
                let (seconds, attoseconds) = duration.components
                let span = UInt64(max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
                delayed.append((request, monotonicNanoseconds() + span))
                wakeLater(span)
            case .refuse:
                // Nothing in flight may ever come back to give it another chance.
                base.wake()
                request.operation.pointee.is_pending = !wereHeld
                return pending.prepend(request)
            }
        }
    }

    /// What the engine has not taken is in the list here, not in the queue's.
    private func claimAccepted() {
        var next = accepted.head
        while let request = next {
            request.operation.pointee.is_pending = false
            next = request.pointee.next
        }
    }

    private mutating func answer(_ request: RequestPointer, _ errno: CInt) {
        request.pointee.result = -Int64(errno)
        answered.append(request)
    }

    private mutating func releaseHeld() {
        guard let injector else { return }
        let before = held.count
        for rule in injector.takeReleased(id) {
            for entry in held where rule == nil || entry.rule == rule {
                letGo.append(entry.request)
            }
            held.removeAll { rule == nil || $0.rule == rule }
        }
        injector.countHeld(held.count - before)
        var released = letGo
        letGo = RequestFIFO()
        accept(&released, wereHeld: true)
        letGo = released
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
        let left = Int64(next > now ? next - now : 0)
        if case .nanoseconds(let asked) = limit { return .nanoseconds(min(asked, left)) }
        return .nanoseconds(left)
    }

    /// For those who sleep on the descriptor: a thread that sleeps as long and wakes them.
    private func wakeLater(_ nanoseconds: UInt64) {
        guard descriptor >= 0, let injector else { return }
        injector.signalLater(id, nanoseconds: nanoseconds)
    }

    private func operation(of request: RequestPointer) -> BlockOperation {
        switch request.pointee.engine.operation {
        case .read: .read
        case .write, .bufferedWrite: .write
        case .synchronize: .flush
        default: request.pointee.verb
        }
    }

    // MARK: On the way up

    private mutating func come(back request: RequestPointer, _ finished: inout RequestFIFO) {
        guard let mark = marks.removeValue(forKey: request) else {
            return finished.append(request)
        }
        switch mark {
        case .short(let limit):
            request.pointee.result = min(request.pointee.result, Int64(limit))
        case .flipByte: flip(request)
        default: return withheld.append(request)
        }
        finished.append(request)
    }

    private func flip(_ request: RequestPointer) {
        let order = request.pointee.engine
        guard order.operation == .read, request.pointee.result > 0, let injector else { return }
        var place = injector.random(below: Int(request.pointee.result))
        for index in 0..<Int(order.vectorCount) {
            let element = order.vectors![index]
            if place < element.iov_len {
                var byte: UInt8 = 0
                let from = VolatileMemory.copy(to: &byte, from: element.iov_base + place, count: 1)
                guard from == .whole else { return }
                byte = ~byte
                VolatileMemory.copy(to: element.iov_base + place, from: &byte, count: 1)
                return
            }
            place -= element.iov_len
        }
    }
}
