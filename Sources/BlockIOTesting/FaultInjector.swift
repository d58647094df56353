import BlockHost
public import BlockIO
import Glibc
import Synchronization

/// Makes an engine misbehave, by rules that can be added and removed at any time from any thread.
/// What it does happens between the pipeline and the engine, so it looks like the kernel's or the
/// device's doing. Given to a queue by ``QueueDecorator/faults(_:)``, or by the decorators of single kinds
/// of fault. One injector can serve many queues.
///
/// The engine is always asked what the pipeline asks, or not at all: see ``QueueDecorator``.
/// Safe to share, although unchecked: the rules are under the lock, and what is read without it is atomic.
public final class FaultInjector: @unchecked Sendable {
    /// What happens to an engine submission.
    public enum Fault: Sendable, Hashable {
        /// It is not done, and its answer is this errno.
        case error(CInt)
        /// The same, but the kernel has lost nothing by it: a flush of a buffered image may succeed
        /// when it is tried again.
        case transientError(CInt)
        /// It is done in whole, but the answer is at most this number of bytes. The bytes behind them have
        /// been read into memory, or written to the medium, as well. The pipeline may not rely on that, and
        /// asks for the rest again.
        case short(Int)
        /// It is given to the engine after this time.
        case delay(Duration)
        /// Nothing happens to it until ``FaultInjector/release(_:)``, and then what the rules for other
        /// kinds of fault say; it is not held again.
        case hold
        /// Its answer is held back until another has come, if there is another.
        case reorder
        /// The engine does not take it now, as if out of resources (EAGAIN of io_submit(2)).
        case refuse
        /// One byte of what was read is inverted.
        case flipByte

        /// Faults of one kind have one decorator.
        var kind: Kind {
            switch self {
            case .error, .transientError: .failure
            case .short: .shortAnswer
            case .delay: .delay
            case .hold: .hold
            case .reorder: .reordering
            case .refuse: .refusal
            case .flipByte: .flippedByte
            }
        }

        enum Kind: UInt8 {
            case failure, shortAnswer, delay, hold, reordering, refusal, flippedByte

            var bit: UInt8 { 1 << rawValue }
        }
    }

    /// Which engine submissions a fault happens to.
    public struct Rule: Sendable {
        /// What happens to the submissions.
        public var fault: Fault
        /// The operations whose submissions it happens to; a read that is made for a partial write is a read.
        /// All by default.
        public var operations: Set<BlockOperation>
        /// Only submissions that touch these bytes of a host file are concerned, which are those of an image
        /// without a format; everywhere by default.
        public var range: Range<UInt64>
        /// How many submissions that match are left alone first.
        public var after: Int
        /// The most submissions that it happens to; without limit by default.
        public var count: Int
        /// The probability, from 0 to 1, that it happens to a submission that matches.
        public var probability: Double

        /// A rule with the defaults described at each property.
        public init(
            _ fault: Fault, operations: Set<BlockOperation> = Set(BlockOperation.allCases),
            range: Range<UInt64> = 0..<UInt64.max, after: Int = 0, count: Int = .max,
            probability: Double = 1
        ) {
            self.fault = fault
            self.operations = operations
            self.range = range
            self.after = after
            self.count = count
            self.probability = probability
        }
    }

    /// Names a rule.
    public struct RuleID: Sendable, Hashable {
        let number: Int
    }

    /// The kinds of fault that there has ever been a rule for: the others need not be asked for.
    private let usedKinds = Atomic<UInt8>(0)
    private let lock = PthreadMutex()
    private let state: StablePointer<State>

    private struct State {
        var rules: [(id: RuleID, rule: Rule)] = []
        var nextNumber = 0
        var random: SplitMix64
        var injected = 0
        var held = 0
        /// Holds that have been let go and that layers have not yet seen; `nil` in it: all.
        var released: [ObjectIdentifier: [RuleID?]] = [:]
        /// The layers that hold.
        var layers: [ObjectIdentifier: DecoratorLayer] = [:]
    }

    /// An injector without rules. `seed` determines what rules with a probability do.
    public init(seed: UInt64 = 1) {
        state = StablePointer(allocating: State(random: SplitMix64(seed: seed)))
    }

    deinit {
        unsafe state.destroy()
    }

    /// Adds a rule behind the others, or before them. Of the rules for one kind of fault, the first
    /// that matches a submission decides about it; errors and transient errors are one kind.
    @discardableResult
    public func add(_ rule: Rule, isFirst: Bool = false) -> RuleID {
        usedKinds.bitwiseOr(rule.fault.kind.bit, ordering: .sequentiallyConsistent)
        return withLock { state in
            let id = RuleID(number: state.nextNumber)
            state.nextNumber += 1
            state.rules.insert((id, rule), at: isFirst ? 0 : state.rules.count)
            return id
        }
    }

    /// Removes a rule. What it holds stays held.
    public func remove(_ id: RuleID) {
        withLock { state in state.rules.removeAll { $0.id == id } }
    }

    /// Releases the submissions that a rule holds at this moment; without an argument, those that all rules
    /// hold.
    public func release(_ id: RuleID? = nil) {
        if isIdle(.hold) { return }
        withLock { state in
            for (key, layer) in state.layers {
                state.released[key, default: []].append(id)
                layer.wake()
            }
        }
    }

    /// How many times a fault has happened to a submission.
    public var injectedCount: Int { withLock { $0.injected } }

    /// How many submissions are held now. One that was released counts until its queue has noticed the
    /// release, at the next submission or poll.
    public var heldCount: Int { withLock { $0.held } }

    private func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state.pointee)
    }
}

// What the decorators ask.
extension FaultInjector {
    func attach(_ layer: DecoratorLayer) {
        withLock { $0.layers[ObjectIdentifier(layer)] = layer }
    }

    func detach(_ layer: DecoratorLayer) {
        withLock { state in
            state.layers[ObjectIdentifier(layer)] = nil
            state.released[ObjectIdentifier(layer)] = nil
        }
    }

    /// Whether no fault of this kind can befall a submission.
    func isIdle(_ kind: Fault.Kind) -> Bool {
        usedKinds.load(ordering: .acquiring) & kind.bit == 0
    }

    /// The fault of this kind that is to befall a submission, and its rule.
    func decide(_ asked: AskedSubmission, _ kind: Fault.Kind) -> (fault: Fault, rule: RuleID)? {
        let submission = asked.submission
        let operation = asked.operation
        return withLock { state in
            let end = submission.position &+ max(1, submission.length)
            for index in state.rules.indices {
                let (id, rule) = state.rules[index]
                guard rule.fault.kind == kind, rule.operations.contains(operation), rule.count > 0,
                    operation == .flush
                        || (rule.range.lowerBound < end
                            && submission.position < rule.range.upperBound)
                else { continue }
                if rule.after > 0 {
                    state.rules[index].rule.after -= 1
                    continue
                }
                guard rule.probability >= 1 || state.random.nextUnit() < rule.probability else {
                    continue
                }
                if rule.count < .max { state.rules[index].rule.count -= 1 }
                state.injected += 1
                return (rule.fault, id)
            }
            return nil
        }
    }

    /// Says that a layer holds more submissions, or fewer.
    func countHeld(_ change: Int) {
        if change != 0 { withLock { $0.held += change } }
    }

    func takeReleased(_ layer: DecoratorLayer) -> [RuleID?] {
        withLock { $0.released.removeValue(forKey: ObjectIdentifier(layer)) ?? [] }
    }

    func random(below limit: Int) -> Int {
        withLock { Int($0.random.next() % UInt64(limit)) }
    }
}
