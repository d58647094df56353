import BlockPCI

/// What leads out of the controller: its interrupt lines, events and the trace.
final class InterruptRouter {
    /// The emulator.
    weak var delegate: (any IDEControllerDelegate)?
    /// Whose pin INTA is.
    private let function: PCIFunction
    private let state: UnsafeMutablePointer<State>

    private struct State {
        /// The controller that this is a part of.
        var controller: Unmanaged<IDEController>?
        var trace: ((IDETraceEvent) -> Void)?
        /// INTRQ of the channels, as the host sees them: bit 0 and bit 1.
        var levels: UInt8 = 0
        /// In native mode: those that nobody has acknowledged.
        var pending: UInt8 = 0
        /// Those that do not reach INTA.
        var blocked: UInt8 = 0
        /// INTA keeps its level until everything is known.
        var isRestoring = false
        var isNative: Bool
    }

    init(_ function: PCIFunction, isNative: Bool) {
        self.function = function
        state = .allocate(capacity: 1)
        state.initialize(to: State(isNative: isNative))
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Says which controller this is a part of.
    func setController(_ controller: IDEController) {
        state.pointee.controller = .passUnretained(controller)
    }

    /// Calls `body` with the emulator, if there is one, and the controller.
    @inline(__always)
    func tell(_ body: (any IDEControllerDelegate, IDEController) -> Void) {
        guard let delegate, let controller = state.pointee.controller else { return }
        controller._withUnsafeGuaranteedRef { body(delegate, $0) }
    }

    /// Called with everything that happens, while it is set.
    var trace: ((IDETraceEvent) -> Void)? {
        get { state.pointee.trace }
        set { state.pointee.trace = newValue }
    }

    var isTraced: Bool { state.pointee.trace != nil }

    /// Calls the trace with an event that is only made if somebody looks.
    @inline(__always)
    func note(_ event: @autoclosure () -> IDETraceEvent) {
        if isTraced { call(event) }
    }

    // Apart, so that an event that nobody sees costs its place nothing.
    @inline(never)
    private func call(_ event: () -> IDETraceEvent) { state.pointee.trace?(event()) }

    /// INTRQ of a channel has the level `isRaised`.
    func set(channel: Int, isRaised: Bool) {
        let bit: UInt8 = channel == 0 ? 1 : 2
        guard (state.pointee.levels & bit != 0) != isRaised else { return }
        state.pointee.levels ^= bit
        if state.pointee.isNative {
            state.pointee.pending = state.pointee.pending & ~bit | state.pointee.levels & bit
            updateLine()
        } else {
            drive(channel == 0 ? .irq14 : .irq15, isRaised)
        }
    }

    // MARK: Native mode

    /// The channels' interrupts that nobody has acknowledged: bit 0 and bit 1.
    var pending: UInt8 { state.pointee.pending }

    /// Whether INTA is to be high.
    private var isRaised: Bool { state.pointee.pending & ~state.pointee.blocked != 0 }

    /// Takes interrupts for served although INTRQ is still high.
    func acknowledge(_ channels: UInt8) {
        state.pointee.pending &= ~channels
        updateLine()
    }

    /// Which channels do not reach INTA.
    func block(_ channels: UInt8) {
        state.pointee.blocked = channels
        updateLine()
    }

    /// Takes over the channels' levels, which `setLevels` says, and which of the interrupts nobody has
    /// acknowledged; then INTA follows.
    func restore(unacknowledged: UInt8, _ setLevels: () -> Void) {
        state.pointee.isRestoring = true
        setLevels()
        state.pointee.isRestoring = false
        state.pointee.pending &= unacknowledged
        updateLine()
    }

    private func updateLine() {
        if state.pointee.isRestoring { return }
        function.setInterrupt(isRaised: isRaised)
    }

    /// The pin has changed its level.
    func pinChanged(isRaised: Bool) { drive(.inta, isRaised) }

    private func drive(_ line: IDEInterrupt, _ isRaised: Bool) {
        note(.interrupt(line, isRaised: isRaised))
        tell { $0.controller($1, interrupt: line, isRaised: isRaised) }
    }
}
