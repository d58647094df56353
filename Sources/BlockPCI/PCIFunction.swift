public import GuestMemory

/// A function of a device on a PCI bus: its configuration space, what its base address registers decode,
/// its interrupt pin, and the gate that its DMA passes (PCI Local Bus 3.0, chapter 6).
///
/// Which registers there are says a ``PCIFunctionLayout``. What the device does when its registers are
/// accessed says a ``PCIDevice``, which the function does not keep alive. A function without a device, such
/// as a bridge that software only looks for, answers in its configuration space alone.
///
/// **Threads.** Callers synchronise themselves: any thread, one at a time, as under a device's lock. The
/// device's DMA mappers (``mapper(resolvers:reentrancy:options:wake:)``) belong to the same.
///
/// **Guests.** Any offset, width and value is an access that a guest may make. What nobody answers reads as
/// all ones, and a write there is lost.
public final class PCIFunction {
    /// How many base address registers there can be (6.2.5.1).
    public static let barCount = 6
    /// What kind of function it is.
    public let layout: PCIFunctionLayout
    /// Where its DMA goes.
    public let bus: PCIBus
    /// Open while bit 2 of the command register is set; closed after a reset.
    public let gate = DMAGate(isOpen: false)
    /// What is behind it.
    public weak var device: (any PCIDevice)?
    /// Where its interrupt pin leads. One that is set later hears of changes from then on; the level is
    /// ``isInterruptRaised``.
    public weak var interruptReceiver: (any PCIInterruptReceiver)?

    @usableFromInline let state: UnsafeMutablePointer<State>
    /// For each base address register where ports are, and then for each where memory is.
    @usableFromInline let windows: UnsafeMutablePointer<Window>

    @usableFromInline struct State: ~Copyable {
        var space: PCIConfigurationSpace
        @usableFromInline var isIOEnabled = false
        @usableFromInline var isMemoryEnabled = false
        /// The device asks for an interrupt.
        var isInterruptRequested = false
        /// The level of the pin.
        var isInterruptRaised = false
    }

    /// What a base address register decodes at the moment.
    @usableFromInline struct Window {
        @usableFromInline var base: UInt64 = 0
        /// 0 while nothing answers.
        @usableFromInline var size: UInt64 = 0
    }

    /// A function in the state after a reset. It is a programming error, and ends the program, when the
    /// layout asks for what its documentation excludes.
    public init(_ layout: PCIFunctionLayout, on bus: PCIBus) {
        self.layout = layout
        self.bus = bus
        state = .allocate(capacity: 1)
        state.initialize(to: State(space: PCIConfigurationSpace(layout)))
        windows = .allocate(capacity: 2 * Self.barCount)
        windows.initialize(repeating: Window(), count: 2 * Self.barCount)
        updateDecoding()
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
        windows.deinitialize(count: 2 * Self.barCount)
        windows.deallocate()
    }

    /// The size of the configuration space in bytes: 256.
    public var configurationSize: Int { PCIConfigurationSpace.size }

    // MARK: DMA

    /// A way to memory for the device, or for one of its queues: through `resolvers` of the device's own,
    /// the device's side first, and then those of the bus. Eight of both at most.
    ///
    /// While the ``gate`` is closed no transfer begins. One that has begun goes on when the gate closes.
    public func mapper(
        resolvers: [any AddressResolver] = [], reentrancy: ReentrancyGuard? = nil,
        options: DMAOptions = DMAOptions(), wake: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) -> DMAMapper {
        try DMAMapper(
            bus.memory, resolvers: resolvers + bus.resolvers, gate: gate, reentrancy: reentrancy,
            options: options, wake: wake)
    }

    // MARK: Running

    /// What RST# does (4.3.2): the device is reset, and then the configuration space. The pin is low
    /// afterwards and the gate closed.
    public func reset() {
        device?.reset(self)
        state.pointee.space.reset()
        state.pointee.isInterruptRequested = false
        updateDecoding()
        updatePin()
    }

    /// Whether the device may reach memory without being accessed.
    public var isBusy: Bool { device?.isBusy ?? false }

    /// The device's descriptors, see ``PCIDevice/descriptors``.
    public var descriptors: [CInt] { device?.descriptors ?? [] }

    /// Lets the device take in what has happened elsewhere.
    public func poll() { device?.poll(self) }
}
