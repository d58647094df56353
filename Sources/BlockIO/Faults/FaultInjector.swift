import BlockHost
import Glibc
import Synchronization

/// Makes an engine misbehave, by rules that can be added and removed at any time from any thread.
/// It sits between the pipeline and the engine, so what it does looks like the kernel's or the
/// device's doing. Given to a queue by ``QueueOptions/faults``; for the tests of this library and of
/// those who use it.
public final class FaultInjector: @unchecked Sendable {
    /// What happens to an operation of the engine.
    public enum Fault: Sendable, Hashable {
        /// It is not done and answers this errno.
        case error(CInt)
        /// The same, but the kernel has lost nothing by it: a flush of a buffered image may succeed
        /// when it is tried again.
        case transientError(CInt)
        /// It is done, but answers at most so many bytes.
        case short(Int)
        /// It is given to the engine after so long.
        case delay(Duration)
        /// Nothing happens to it until ``FaultInjector/release(_:)``, and then what the other rules
        /// say; it is not held again.
        case hold
        /// Its answer is held back until another has come, if there is another.
        case reorder
        /// The engine does not take it now, as if out of resources (EAGAIN of io_submit(2)).
        case refuse
        /// One byte of what was read is inverted.
        case flipByte
    }

    /// Which operations a fault befalls.
    public struct Rule: Sendable {
        /// What happens.
        public var fault: Fault
        /// To which operations; a read that is made for a partial write is a read. All by default.
        public var operations: Set<BlockOperation>
        /// To those that touch these bytes of the image; everywhere by default.
        public var range: Range<UInt64>
        /// How many that match are let by first.
        public var after: Int
        /// How many times at most; without limit by default.
        public var count: Int
        /// From 0 to 1: how probable it is for each that matches.
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

    /// Whether there has ever been a rule: until then engines need not ask.
    private let wasEverUsed = Atomic<Bool>(false)
    private let lock = PthreadMutex()
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var rules: [(id: RuleID, rule: Rule)] = []
        var nextNumber = 0
        var random: SplitMix64
        var injected = 0
        var held = 0
        /// Holds that have been let go and that engines have not yet seen; `nil` in it: all.
        var released: [ObjectIdentifier: [RuleID?]] = [:]
        var engines: [ObjectIdentifier: WakeEvent] = [:]
    }

    /// No rules yet. `seed` determines what rules with a probability do.
    public init(seed: UInt64 = 1) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(random: SplitMix64(seed: seed)))
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Adds a rule behind the others, or before them; the first that matches an operation decides
    /// about it.
    @discardableResult
    public func add(_ rule: Rule, isFirst: Bool = false) -> RuleID {
        wasEverUsed.store(true, ordering: .sequentiallyConsistent)
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

    /// Lets go what a rule holds at this moment, or what all rules hold.
    public func release(_ id: RuleID? = nil) {
        if isIdle { return }
        withLock { state in
            for (engine, wake) in state.engines {
                state.released[engine, default: []].append(id)
                wake.signal()
            }
        }
    }

    /// How many faults have befallen operations.
    public var injectedCount: Int { withLock { $0.injected } }

    /// How many operations are held now. One that was let go counts until its queue has seen that,
    /// at the next submission or poll.
    public var heldCount: Int { withLock { $0.held } }

    private func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state.pointee)
    }
}

// What the engine side asks.
extension FaultInjector {
    func attach(_ engine: ObjectIdentifier, _ wake: WakeEvent) {
        withLock { $0.engines[engine] = wake }
    }

    func detach(_ engine: ObjectIdentifier) {
        withLock { state in
            state.engines[engine] = nil
            state.released[engine] = nil
        }
    }

    /// Whether nothing can befall an operation.
    @inline(__always)
    var isIdle: Bool { !wasEverUsed.load(ordering: .acquiring) }

    /// What is to happen to an operation, which may have been held already.
    func decide(
        _ operation: BlockOperation, _ order: EngineOrder, wasHeld: Bool
    ) -> (Fault, RuleID)? {
        withLock { state in
            let end = order.position &+ max(1, order.length)
            for index in state.rules.indices {
                let (id, rule) = state.rules[index]
                guard rule.operations.contains(operation), rule.count > 0,
                    !(wasHeld && rule.fault == .hold),
                    operation == .flush
                        || (rule.range.lowerBound < end && order.position < rule.range.upperBound)
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

    /// Says that an engine holds more operations, or fewer.
    func countHeld(_ change: Int) {
        if change != 0 { withLock { $0.held += change } }
    }

    func takeReleased(_ engine: ObjectIdentifier) -> [RuleID?] {
        withLock { $0.released.removeValue(forKey: engine) ?? [] }
    }

    /// Wakes an engine, if it is still there, after a while.
    func signalLater(_ engine: ObjectIdentifier, nanoseconds: UInt64) {
        // Without a thread the engine finds out when it looks next.
        try? HostThread.start(named: "blockio-delay", stackSize: HostThread.smallStack) {
            var span = timespec(
                tv_sec: Int(nanoseconds / 1_000_000_000),
                tv_nsec: Int(nanoseconds % 1_000_000_000))
            nanosleep(&span, nil)
            self.withLock { $0.engines[engine]?.signal() }
        }
    }

    func random(below limit: Int) -> Int {
        withLock { Int($0.random.next() % UInt64(limit)) }
    }
}
