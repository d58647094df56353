public import BlockATA
public import BlockIO
public import BlockPCI
public import GuestMemory

/// A PCI IDE controller: two channels with two drives each, and a bus master.
///
/// **Threads.** Callers synchronise themselves: any thread, one at a time, as under a device's
/// lock. Only ``poll(timeout:)`` with a timeout, ``save(timeout:)`` and the deinitializer wait for
/// a medium.
///
/// **Guests.** No access of a guest stops the program, makes the host allocate without bound,
/// reaches data outside a disk, or makes a call take long.
///
/// **Completions.** Host requests of the drives complete in ``poll(timeout:)``, and interrupts are
/// raised there too. An emulator polls when one of the ``descriptors`` is readable, and may at any
/// other time.
///
/// **Re-entrancy.** A region of guest memory that leads to the controller's registers carries
/// ``reentrancy``; DMA to it is an error that the guest sees, and no recursion.
public final class IDEController {
    /// Which PCI function it appears as.
    public let identity: IDEIdentity
    /// Its PCI function: configuration space, interrupt pin, and the gate that its DMA passes. Accesses
    /// may come by way of it or by the methods here.
    public let function: PCIFunction
    /// For regions of guest memory that lead to the controller's own registers.
    public let reentrancy = ReentrancyGuard()

    let primary: IDEChannel
    let secondary: IDEChannel
    let router: InterruptRouter
    /// Of ``identity``.
    let isNative: Bool
    let isCMD646: Bool

    /// A controller without drives on a bus of its own, whose bus master reaches `memory`, through
    /// `resolvers` if any.
    public convenience init(
        identity: IDEIdentity, memory: AddressSpace, resolvers: [any AddressResolver] = [],
        options: IDEOptions = IDEOptions()
    ) throws(IDEError) {
        try self.init(
            identity: identity, bus: PCIBus(memory, resolvers: resolvers), options: options)
    }

    /// A controller without drives on a bus, whose bus master passes `resolvers` of its own, if any, and
    /// then those of the bus.
    public init(
        identity: IDEIdentity, bus: PCIBus, resolvers: [any AddressResolver] = [],
        options: IDEOptions = IDEOptions()
    ) throws(IDEError) {
        self.identity = identity
        isNative = identity.isNative
        isCMD646 = identity.isCMD646
        function = PCIFunction(identity.layout, on: bus)
        let router = InterruptRouter(function, isNative: identity.isNative)
        let dmaOptions = DMAOptions(
            forceBounce: options.forceBounce, bounceLimit: options.bounceLimit,
            cacheLimit: options.dmaCache ? DMAOptions().cacheLimit : 0)
        do throws(GuestMemoryError) {
            primary = IDEChannel(
                number: 0, router: router,
                mapper: try function.mapper(
                    resolvers: resolvers, reentrancy: reentrancy, options: dmaOptions,
                    wake: options.wake))
            secondary = IDEChannel(
                number: 1, router: router,
                mapper: try function.mapper(
                    resolvers: resolvers, reentrancy: reentrancy, options: dmaOptions,
                    wake: options.wake))
        } catch {
            throw .memory(error)
        }
        self.router = router
        router.setController(self)
        function.device = self
    }

    deinit {
        // The kernel may still write to guest memory and to the drives' buffers.
        router.delegate = nil
        router.trace = nil
        primary.powerOnReset()
        secondary.powerOnReset()
        while isBusy { poll(timeout: nil) }
    }

    /// The emulator, which hears of interrupts and failures.
    ///
    /// The controller does not keep its delegate alive, and calls it as long as it is set. A call of a delegate
    /// that is being released, or has been, ends the program, and so does reading this property then. A
    /// delegate that owns the controller need not do anything if nothing uses the controller while the delegate
    /// is released. In all other cases set this to `nil` first: when the delegate does not own the controller,
    /// when its `deinit` polls or accesses the controller, and when another thread, such as an I/O thread that
    /// this `deinit` stops, may still poll or access it.
    public var delegate: (any IDEControllerDelegate)? {
        get { router.delegate }
        set { router.delegate = newValue }
    }

    /// Called with every event while it is set; it must not access the controller. `nil`, the
    /// default, costs nothing.
    public var trace: ((IDETraceEvent) -> Void)? {
        get { router.trace }
        set { router.trace = newValue }
    }

    // MARK: Drives

    /// Plugs a disk in, before the machine is started.
    public func attach(_ disk: ATADisk, to slot: IDESlot) throws(IDEError) {
        try checkFree(slot, isPluggedIn: disk.isPluggedIn)
        let channel = channel(slot.channel)
        channel.setDrive(slot.device, .disk(ATADrive(disk, channel.connection(slot.device))))
    }

    func checkFree(_ slot: IDESlot, isPluggedIn: Bool) throws(IDEError) {
        guard !channel(slot.channel).hasDrive(slot.device) else { throw .slotTaken(slot) }
        guard !isPluggedIn else { throw .driveInUse }
    }

    /// The disk in a slot.
    public func disk(in slot: IDESlot) -> ATADisk? {
        channel(slot.channel).drives[slot.device].diskState?.pointee.disk
    }

    func channel(_ number: Int) -> IDEChannel { number == 0 ? primary : secondary }

    // MARK: Running

    /// Whether a host request is under way, or a transfer waits for bounce buffers. Guest memory
    /// may change until then.
    public var isBusy: Bool { primary.isBusy || secondary.isBusy }

    /// Counters of the DMA of each channel, the primary first.
    public var dmaStatistics: [DMAStatistics] {
        [primary.mapper.statistics, secondary.mapper.statistics]
    }

    /// What the DMA of the drive in a slot has moved so far, transfers of failed or abandoned
    /// requests included.
    public func dmaBytes(of slot: IDESlot) -> DMABytes {
        channel(slot.channel).bytesMoved(by: slot.device)
    }

    /// Counters of the queue of the drive in a slot; `nil` when the slot, or the drive, is empty.
    public func statistics(of slot: IDESlot) -> BlockStatistics? {
        channel(slot.channel).drives[slot.device].queue?.statistics
    }

    /// Makes the requests again that policy `ErrorPolicy.stop` has kept.
    public func resume() {
        primary.retry()
        secondary.retry()
    }

    /// A reset of the PCI function. Drives stay busy until their host requests have completed, see
    /// ``isBusy``.
    public func reset() { function.reset() }

    // MARK: Configuration space

    /// Reads `width` bytes (1, 2 or 4) of the configuration space, little-endian.
    public func readConfiguration(_ offset: Int, width: Int) -> UInt32 {
        function.readConfiguration(offset, width: width)
    }

    /// Writes the low `width` bytes (1, 2 or 4) of `value`.
    public func writeConfiguration(_ offset: Int, width: Int, value: UInt32) {
        function.writeConfiguration(offset, width: width, value: value)
    }

    static func clamped(_ width: Int) -> Int { min(max(width, 0), 4) }
}
