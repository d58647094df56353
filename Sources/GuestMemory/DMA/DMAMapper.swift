/// A device's way to guest memory: maps lists of guest addresses to host memory that the kernel
/// transfers to directly, and bounces only what has no host memory.
///
/// A device, or each of its queues, has one. Callers synchronise themselves: any thread, one at a
/// time. The address space and its bounce pool may be shared with others without more ado. A mapper
/// released while transfers are under way leaves them, and what they hold, in place.
public final class DMAMapper {
    let core: MapperCore

    /// The most that a device can demand of addresses: a page.
    public static let largestAlignment = 4096

    /// A mapper for a device on `space`.
    ///
    /// - Parameters:
    ///   - space: What the device's addresses lead to, after the resolvers.
    ///   - resolvers: Up to eight steps between device and memory, the device's side first.
    ///   - gate: What keeps the device from memory while it is closed; the bus's, if it has one.
    ///   - reentrancy: The device's own: transfers to its own registers are refused.
    ///   - wake: Called from any thread when ``resume(_:)`` has something to do.
    ///   - options: What the debug switches say, and limits.
    public init(
        _ space: AddressSpace, resolvers: [any AddressResolver] = [], gate: DMAGate? = nil,
        reentrancy: ReentrancyGuard? = nil, options: DMAOptions = DMAOptions(),
        wake: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) {
        try options.validate(pool: space.bouncePool)
        guard resolvers.count <= 8 else { throw GuestMemoryError(.invalidOption) }
        core = MapperCore(
            space: space, resolvers: resolvers, gate: gate ?? DMAGate(isOpen: true),
            reentrancy: reentrancy, wake: wake, options: options)
    }

    deinit {
        if core.state.pointee.active > 0 { _ = Unmanaged.passRetained(core) }
    }

    /// The switches; what is set holds for transfers begun afterwards.
    public var options: DMAOptions { core.state.pointee.options }

    /// Changes the switches.
    public func setOptions(_ options: DMAOptions) throws(GuestMemoryError) {
        try options.validate(pool: core.pool)
        core.setOptions(options)
    }

    /// What has been done so far.
    public var statistics: DMAStatistics {
        DMAStatistics(
            directBytes: core.state.pointee.directBytes,
            bouncedBytes: core.state.pointee.bouncedBytes,
            allocatedTransfers: core.state.pointee.allocations, active: core.state.pointee.active)
    }

    /// Begins a transfer. The whole list is mapped and checked before anything moves; what is wrong
    /// with it comes as a result in the first step, and so does an `alignment` or `unit` that is
    /// outside its range (``GuestMemoryError/Code/invalidOption``).
    ///
    /// - Parameters:
    ///   - list: Where in guest memory; read now, free to be changed afterwards.
    ///   - direction: `toDevice` reads guest memory, `fromDevice` writes it.
    ///   - alignment: What the device demands of each address, length and position: a power of two
    ///     up to ``largestAlignment`` and the size of the bounce pool. What offends bounces, and the
    ///     total must be a multiple. 1 for a device on a `BlockQueue`, which sees to it itself.
    ///   - unit: A transfer that goes in pieces is cut at multiples of this: a power of two, at
    ///     most the bounce limit, such as a disk's sector size.
    ///   - userData: Comes back as ``DMATransfer/userData``.
    public func begin(
        _ list: borrowing ScatterGatherList, _ direction: DMADirection, alignment: Int = 1,
        unit: Int = 1, userData: UInt = 0
    ) -> (DMATransfer, DMAStep) {
        begin(
            list.elements, direction, alignment: alignment, unit: unit, userData: userData)
    }

    @inline(__always)
    func begin(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, _ direction: DMADirection,
        alignment: Int, unit: Int, userData: UInt
    ) -> (DMATransfer, DMAStep) {
        let transfer = core.take().takeUnretainedValue()
        transfer.state.pointee.userData = userData
        guard
            alignment > 0 && alignment & (alignment - 1) == 0 && unit > 0 && unit & (unit - 1) == 0
                && unit <= core.pool.size && alignment <= core.pool.size
                && alignment <= Self.largestAlignment
        else { return core.refuse(transfer, GuestMemoryError(.invalidOption)) }
        guard core.isOpen.pointee else {
            return core.refuse(
                transfer, GuestMemoryError(.gateClosed, at: elements.first?.address ?? 0))
        }
        let step = transfer.state.pointee.begin(
            elements, direction, alignment: alignment, unit: unit, core: core)
        return (transfer, core.handOver(transfer, step))
    }

    /// Whether a transfer can begin: the gate, if there is one, is open.
    public var isOpen: Bool { core.isOpen.pointee }

    /// Whether a transfer waits for ``resume(_:)``.
    public var isWaiting: Bool { core.isWaiting }

    /// Goes on with transfers that stood in line and have been given bounce buffers, each with its
    /// next step. To be called after `wake`, and after a transfer of this mapper has ended.
    public func resume(_ body: (DMATransfer, DMAStep) -> Void) {
        if core.isWaiting { core.resume(body) }
    }
}

/// What a ``DMAMapper`` has done.
public struct DMAStatistics: Sendable, Hashable {
    /// Bytes that the device was given guest memory for.
    public let directBytes: UInt64
    /// Bytes that passed through a bounce buffer.
    public let bouncedBytes: UInt64
    /// Transfers that the cache had nothing for.
    public let allocatedTransfers: Int
    /// Transfers under way.
    public let active: Int
}
