public import GuestMemory

// @safe: the windows are indexed by base address registers, of which there are `barCount`, and
// freed with the function.
/// A function of a device on a PCI bus: its configuration space, the ranges that its base address
/// registers decode, its interrupt pin, and the gate for its DMA (PCI Local Bus 3.0, chapter 6).
///
/// A ``PCIFunctionLayout`` describes the registers. A ``PCIDevice`` implements what the device does
/// when its registers are accessed; the function does not keep the device alive. A function without
/// a device, such as a bridge that software only detects, answers in its configuration space alone.
///
/// **Threads.** Callers synchronise themselves: any thread may use a function, one at a time, for example under
/// a lock of the device. The same lock must protect the device's DMA mappers
/// (``mapper(resolvers:reentrancy:options:wake:)``).
///
/// **Guests.** A guest may make an access with any offset, width and value. An access that no register answers
/// reads as all ones, and a write is lost.
@safe public final class PCIFunction {
    /// How many base address registers there can be (6.2.5.1).
    public static let barCount = 6
    /// The registers of the function.
    public let layout: PCIFunctionLayout
    /// The bus of the function, through which its DMA reaches memory.
    public let bus: PCIBus
    /// Open while bit 2 of the command register is set; closed after a reset.
    public let gate = DMAGate(isOpen: false)
    /// The device that implements the function.
    public weak var device: (any PCIDevice)?
    /// Is told when the level of the interrupt pin changes, from the moment when it is set. The
    /// present level is ``isInterruptRaised``.
    public weak var interruptReceiver: (any PCIInterruptReceiver)?

    // @usableFromInline, here and in State and Window, for the inlinable functions that find the
    // register of a port or an address: a controller calls them at every access.
    /// Behind a pointer, so that no access is checked at run time.
    @usableFromInline let state: UnsafeMutablePointer<State>
    /// The ports that each base address register decodes, and then the memory that each decodes.
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

    /// A function in the state after a reset. It is a programming error, and ends the program, when
    /// the layout asks for what its documentation excludes.
    public init(_ layout: PCIFunctionLayout, on bus: PCIBus) {
        self.layout = layout
        self.bus = bus
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State(space: PCIConfigurationSpace(layout)))
        unsafe windows = .allocate(capacity: 2 * Self.barCount)
        unsafe windows.initialize(repeating: Window(), count: 2 * Self.barCount)
        updateDecoding()
    }

    deinit {
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
        unsafe windows.deinitialize(count: 2 * Self.barCount)
        unsafe windows.deallocate()
    }

    /// The size of the configuration space in bytes: 256.
    public var configurationSize: Int { PCIConfigurationSpace.size }

    // MARK: DMA

    /// Makes a DMA mapper for the device, or for one of its queues. Its transfers pass through
    /// `resolvers`, the device's side first, and then through those of the bus: eight of both at
    /// most.
    ///
    /// While the ``gate`` is closed, no transfer can begin. A transfer that has begun continues
    /// when the gate closes.
    public func mapper(
        resolvers: [any AddressResolver] = [], reentrancy: ReentrancyGuard? = nil,
        options: DMAOptions = DMAOptions(), wake: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) -> DMAMapper {
        try DMAMapper(
            bus.memory, resolvers: resolvers + bus.resolvers, gate: gate, reentrancy: reentrancy,
            options: options, wake: wake)
    }

    // MARK: Running

    /// The effect of RST# (4.3.2): resets the device, and then the configuration space. Afterwards
    /// the interrupt is withdrawn and the gate is closed.
    public func reset() {
        device?.reset(self)
        unsafe state.pointee.space.reset()
        unsafe state.pointee.isInterruptRequested = false
        updateDecoding()
        updatePin()
    }

    /// Whether the device may reach memory without being accessed.
    public var isBusy: Bool { device?.isBusy ?? false }

    /// The device's descriptors, see ``PCIDevice/descriptors``.
    public var descriptors: [CInt] { device?.descriptors ?? [] }

    /// Lets the device handle events, see ``PCIDevice/poll(_:)``.
    public func poll() { device?.poll(self) }
}
