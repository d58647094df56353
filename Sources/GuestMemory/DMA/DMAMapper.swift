import BlockHost

/// A device's way to guest memory: maps lists of guest addresses to host memory that the kernel
/// accesses directly. Only what has no host memory passes through a bounce buffer.
///
/// A device, or each of its queues, has a mapper. Callers synchronise themselves: any thread may
/// use a mapper, one at a time. The address space and its bounce pool may be shared with others.
/// When a mapper is released before its transfers have ended, the transfers and what they hold stay
/// in place.
public final class DMAMapper {
    let core: Core

    /// The largest alignment that a device can demand of addresses: a page of 4096 bytes.
    public static let largestAlignment = 4096

    /// A mapper for a device on `space`.
    ///
    /// - Parameters:
    ///   - space: The addresses that the last resolver, or the device, names.
    ///   - resolvers: Up to eight steps between device and memory, the device's side first.
    ///   - gate: Keeps the device from memory while it is closed; the gate of the bus, if it has one.
    ///   - reentrancy: The device's own guard: transfers to its own registers are refused.
    ///   - options: Limits, and switches for debugging.
    ///   - wake: Called on any thread when a waiting transfer can continue: call ``resume(_:)``.
    public init(
        _ space: AddressSpace, resolvers: [any AddressResolver] = [], gate: DMAGate? = nil,
        reentrancy: ReentrancyGuard? = nil, options: DMAOptions = DMAOptions(),
        wake: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) {
        try options.validate(pool: space.bouncePool)
        guard resolvers.count <= 8 else { throw GuestMemoryError(.invalidOption) }
        core = Core(
            space: space, resolvers: resolvers, gate: gate ?? DMAGate(isOpen: true),
            reentrancy: reentrancy, wake: wake, options: options)
    }

    deinit {
        if core.state.pointee.active > 0 { _ = unsafe Unmanaged.passRetained(core) }
    }

    /// The options of transfers that begin from now on.
    public var options: DMAOptions { core.state.pointee.options }

    /// Changes the options of transfers that begin from now on.
    public func setOptions(_ options: DMAOptions) throws(GuestMemoryError) {
        try options.validate(pool: core.pool)
        core.setOptions(options)
    }

    /// Counters since the mapper was made.
    public var statistics: DMAStatistics {
        DMAStatistics(
            directBytes: core.state.pointee.directBytes,
            bouncedBytes: core.state.pointee.bouncedBytes,
            allocatedTransfers: core.state.pointee.allocations, active: core.state.pointee.active)
    }

    /// Begins a transfer. The whole list is mapped and checked before any byte moves. An error in
    /// the list is the result in the first step, and so is an `alignment` or `unit` outside its
    /// range (``GuestMemoryError/Code/invalidOption``).
    ///
    /// - Parameters:
    ///   - list: The guest memory. It is read now, and may be changed afterwards.
    ///   - direction: `toDevice` reads guest memory, `fromDevice` writes it.
    ///   - alignment: What the device demands of each address, length and position: a power of two
    ///     up to ``largestAlignment`` and the size of the bounce pool. Segments that are not aligned
    ///     bounce, and the total must be a multiple. 1 for a device on a `BlockQueue`, which aligns
    ///     requests itself.
    ///   - unit: A transfer that goes in pieces is cut at multiples of this: a power of two, at
    ///     most the bounce limit, such as a disk's sector size.
    ///   - userData: A value for the caller: ``DMATransfer/userData``.
    public func begin(
        _ list: borrowing ScatterGatherList, _ direction: DMADirection, alignment: Int = 1,
        unit: Int = 1, userData: UInt = 0
    ) -> (DMATransfer, DMAStep) {
        unsafe begin(
            list.elements, direction, alignment: alignment, unit: unit, userData: userData)
    }

    @inline(__always)
    func begin(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, _ direction: DMADirection,
        alignment: Int, unit: Int, userData: UInt
    ) -> (DMATransfer, DMAStep) {
        let transfer = unsafe core.take().takeUnretainedValue()
        transfer.state.pointee.userData = userData
        guard
            alignment > 0 && alignment & (alignment - 1) == 0 && unit > 0 && unit & (unit - 1) == 0
                && unit <= core.pool.size && alignment <= core.pool.size
                && alignment <= Self.largestAlignment
        else { return core.refuse(transfer, GuestMemoryError(.invalidOption)) }
        guard core.isOpen.pointee else {
            return unsafe core.refuse(
                transfer, GuestMemoryError(.gateClosed, at: elements.first?.address ?? 0))
        }
        let step = unsafe transfer.state.pointee.begin(
            elements, direction, alignment: alignment, unit: unit, core: core)
        return (transfer, core.record(step, of: transfer))
    }

    /// A transfer in place of a piece that a ``RAMView`` on the same space has taken, and that the device
    /// has submitted: for an answer other than success. The transfer has the piece's hold of the map. The
    /// device answers it like any other, and it is done then.
    package func adopt(
        _ piece: RAMPiece, _ direction: DMADirection, userData: UInt
    ) -> DMATransfer {
        let transfer = unsafe core.take().takeUnretainedValue()
        transfer.state.pointee.userData = userData
        transfer.state.pointee.adopt(piece, direction, core)
        return transfer
    }

    /// Counts bytes for which the device has taken guest memory by a ``RAMView``.
    package func countDirect(_ bytes: UInt64) { core.state.pointee.directBytes &+= bytes }

    /// Whether a transfer can begin: the gate, if there is one, is open.
    public var isOpen: Bool { core.isOpen.pointee }

    /// Whether a transfer waits for ``resume(_:)``.
    public var isWaiting: Bool { core.isWaiting }

    /// Continues the transfers that were waiting and have been given what they waited for. `body`
    /// gets each of them with its next step. To be called after `wake`, and after a transfer of
    /// this mapper has ended.
    public func resume(_ body: (DMATransfer, DMAStep) -> Void) {
        if core.isWaiting { core.resume(body) }
    }
}

extension DMAMapper {
    /// What the transfers of a mapper share. It outlives the mapper if transfers are active.
    final class Core {
        let space: AddressSpace
        let pool: BouncePool
        let resolvers: [any AddressResolver]
        /// To be asked before the array is touched, which counts references.
        let hasResolvers: Bool
        let gate: DMAGate
        /// Whether ``gate`` is open, without counting references.
        let isOpen: StablePointer<Bool>
        let reentrancy: ReentrancyGuard?
        /// Transfers that can continue.
        let ready: ReadyList
        /// Behind a pointer, so that no access is checked at run time.
        let state: StablePointer<State>

        // @safe: the core owns a reference to each transfer in the list of free ones.
        @safe struct State {
            fileprivate(set) var options: DMAOptions
            /// Transfers that have ended, to be used again.
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

        /// A transfer with room for more iovecs than this is not kept.
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
            isOpen = gate.state
            self.reentrancy = reentrancy
            ready = ReadyList(wake: wake)
            state = unsafe StablePointer(allocating: State(options: options))
        }

        deinit {
            while let transfer = unsafe popFree() { unsafe transfer.release() }
            unsafe state.destroy()
        }

        /// The options of transfers that begin from now on.
        func setOptions(_ options: DMAOptions) {
            state.pointee.options = options
            while state.pointee.freeCount > options.cacheLimit,
                let transfer = unsafe popFree()
            {
                unsafe transfer.release()
            }
        }

        // MARK: Begin and end

        /// A transfer that stays alive until its last step is recorded.
        func take() -> Unmanaged<DMATransfer> {
            state.pointee.active += 1
            if let transfer = unsafe popFree() { return unsafe transfer }
            state.pointee.allocations += 1
            return unsafe .passRetained(DMATransfer(mapper: self))
        }

        private func popFree() -> Unmanaged<DMATransfer>? {
            guard let transfer = unsafe state.pointee.free else { return nil }
            unsafe state.pointee.free = unsafe transfer._withUnsafeGuaranteedRef {
                unsafe $0.state.pointee.next
            }
            state.pointee.freeCount -= 1
            return unsafe transfer
        }

        /// Ends a transfer that cannot begin.
        @inline(never)
        func refuse(
            _ transfer: DMATransfer, _ error: GuestMemoryError
        ) -> (DMATransfer, DMAStep) {
            let result = DMAResult(outcome: .fault(error), transferred: 0)
            return (transfer, record(.done(result), of: transfer))
        }

        /// Records a step that is about to be returned to the device: counts a transfer that begins
        /// to wait, and takes back one that has ended.
        @inline(__always)
        func record(_ step: DMAStep, of transfer: DMATransfer) -> DMAStep {
            switch step {
            case .submit: break
            case .wait: beginWait(transfer)
            case .done: takeBack(transfer)
            }
            return step
        }

        private func takeBack(_ transfer: DMATransfer) {
            state.pointee.active -= 1
            let entry = unsafe Unmanaged.passUnretained(transfer)
            guard state.pointee.freeCount < state.pointee.options.cacheLimit,
                transfer.state.pointee.capacity <= Self.largestKept
            else { return unsafe entry.release() }
            unsafe transfer.state.pointee.next = unsafe state.pointee.free
            unsafe state.pointee.free = unsafe entry
            state.pointee.freeCount += 1
        }

        // MARK: Waiting

        var isWaiting: Bool { state.pointee.waiting > 0 }

        private func beginWait(_ transfer: DMATransfer) {
            state.pointee.waiting += 1
            state.pointee.waits += 1
            transfer.state.pointee.wait = state.pointee.waits
        }

        /// A transfer continues, or has been cancelled.
        func endWait() { state.pointee.waiting -= 1 }

        /// Continues the transfers that can. A transfer that begins to wait meanwhile has its turn
        /// in the next call, because `body` may begin, answer and cancel transfers without end.
        func resume(_ body: (DMATransfer, DMAStep) -> Void) {
            let last = state.pointee.waits
            while let entry = pool.first(of: ready) {
                let transfer = entry.object
                guard transfer.state.pointee.wait <= last else { return }
                let step = transfer.state.pointee.resume()
                endWait()
                body(transfer, record(step, of: transfer))
            }
        }
    }
}
