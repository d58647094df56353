/// What the transfers of a ``DMAMapper`` share.
final class MapperCore {
    let space: AddressSpace
    let pool: BouncePool
    let resolvers: [any AddressResolver]
    /// To be asked before the array is touched, which counts references.
    let hasResolvers: Bool
    let gate: DMAGate
    /// Whether ``gate`` is open, without counting references.
    let isOpen: UnsafePointer<Bool>
    let reentrancy: ReentrancyGuard?
    /// Transfers that can go on.
    let ready: ReadyList
    /// Behind a pointer, so that no access is checked at run time.
    let state: UnsafeMutablePointer<State>

    struct State {
        fileprivate(set) var options: DMAOptions
        /// Transfers that are over, to be used again.
        fileprivate var free: Unmanaged<DMATransfer>?
        fileprivate var freeCount = 0
        /// Transfers that wait.
        fileprivate var waiting = 0
        /// How often a transfer has begun to wait: numbers the waits in their order.
        fileprivate var waits: UInt64 = 0

        var directBytes: UInt64 = 0
        var bouncedBytes: UInt64 = 0
        fileprivate(set) var allocations = 0
        fileprivate(set) var active = 0
    }

    /// A transfer with more room than this is not kept.
    static let largestKept = 2048

    init(
        space: AddressSpace, resolvers: [any AddressResolver], gate: DMAGate,
        reentrancy: ReentrancyGuard?, wake: (@Sendable () -> Void)?, options: DMAOptions
    ) {
        self.space = space
        pool = space.bouncePool
        self.resolvers = resolvers
        hasResolvers = !resolvers.isEmpty
        self.gate = gate
        isOpen = UnsafePointer(gate.state)
        self.reentrancy = reentrancy
        ready = ReadyList(wake: wake)
        state = .allocate(capacity: 1)
        state.initialize(to: State(options: options))
    }

    deinit {
        while let transfer = popFree() { transfer.release() }
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// The switches, for transfers that are begun from now on.
    func setOptions(_ options: DMAOptions) {
        state.pointee.options = options
        trimCache()
    }

    /// A transfer that stays alive until it is handed over with its result.
    func take() -> Unmanaged<DMATransfer> {
        state.pointee.active += 1
        if let transfer = popFree() { return transfer }
        state.pointee.allocations += 1
        return .passRetained(DMATransfer(mapper: self))
    }

    private func trimCache() {
        while state.pointee.freeCount > state.pointee.options.cacheLimit, let transfer = popFree() {
            transfer.release()
        }
    }

    private func popFree() -> Unmanaged<DMATransfer>? {
        guard let transfer = state.pointee.free else { return nil }
        state.pointee.free = transfer._withUnsafeGuaranteedRef { $0.state.pointee.next }
        state.pointee.freeCount -= 1
        return transfer
    }

    /// Ends a transfer that cannot begin.
    @inline(never)
    func refuse(_ transfer: DMATransfer, _ error: GuestMemoryError) -> (DMATransfer, DMAStep) {
        let result = DMAResult(outcome: .fault(error), transferred: 0)
        return (transfer, handOver(transfer, .done(result)))
    }

    /// Takes notice of a step on its way to the device.
    @inline(__always)
    func handOver(_ transfer: DMATransfer, _ step: DMAStep) -> DMAStep {
        switch step {
        case .submit: break
        case .wait: noteWait(transfer)
        case .done: giveBack(transfer)
        }
        return step
    }

    func giveBack(_ transfer: DMATransfer) {
        state.pointee.active -= 1
        let entry = Unmanaged.passUnretained(transfer)
        guard state.pointee.freeCount < state.pointee.options.cacheLimit,
            transfer.state.pointee.capacity <= Self.largestKept
        else { return entry.release() }
        transfer.state.pointee.next = state.pointee.free
        state.pointee.free = entry
        state.pointee.freeCount += 1
    }

    // MARK: Waiting

    var isWaiting: Bool { state.pointee.waiting > 0 }

    private func noteWait(_ transfer: DMATransfer) {
        state.pointee.waiting += 1
        state.pointee.waits += 1
        transfer.state.pointee.wait = state.pointee.waits
    }

    /// A transfer goes on, or has been cancelled.
    func endWait() { state.pointee.waiting -= 1 }

    /// Goes on with the transfers that can. Those that begin to wait meanwhile have their turn in the
    /// next call: `body` may begin, answer and cancel transfers without end.
    func resume(_ body: (DMATransfer, DMAStep) -> Void) {
        let last = state.pointee.waits
        while let entry = pool.first(of: ready) {
            let transfer = entry.takeUnretainedValue()
            guard transfer.state.pointee.wait <= last else { return }
            let step = transfer.state.pointee.resume()
            endWait()
            body(transfer, handOver(transfer, step))
        }
    }
}
