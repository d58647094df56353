import BlockHost
import BlockPCI

/// The outputs of a controller: interrupt lines, drive events and the trace.
final class InterruptRouter {
    /// Whose pin INTA is.
    private let function: PCIFunction
    private let state: StablePointer<State>

    /// `@safe`, because the controller outlives what is a part of it.
    @safe private struct State {
        /// The emulator. `unowned`, because a `weak` reference costs 150 instructions for each change of a
        /// line, and a strong one would be a cycle: an emulator owns its controller.
        unowned var delegate: (any IDEControllerDelegate)?
        /// The controller that this is a part of.
        var controller: Unmanaged<IDEController>?
        var trace: ((IDETraceEvent) -> Void)?
        /// INTRQ of the channels, as the host sees them: bit 0 and bit 1.
        var levels: UInt8 = 0
        /// In native mode: the channels' interrupts that have not been acknowledged.
        var pending: UInt8 = 0
        /// The channels whose interrupts do not reach INTA.
        var blocked: UInt8 = 0
        /// A state is being restored, and INTA keeps its level meanwhile.
        var isRestoring = false
        var isNative: Bool
    }

    init(_ function: PCIFunction, isNative: Bool) {
        self.function = function
        state = unsafe StablePointer(allocating: State(isNative: isNative))
    }

    deinit { unsafe state.destroy() }

    /// Says which controller this is a part of.
    func setController(_ controller: IDEController) {
        unsafe state.pointee.controller = unsafe .passUnretained(controller)
    }

    /// The emulator; see ``IDEController/delegate``.
    var delegate: (any IDEControllerDelegate)? {
        get { state.pointee.delegate }
        set { state.pointee.delegate = newValue }
    }

    /// Calls `body` with the emulator, if there is one, and the controller.
    @inline(__always)
    func tell(_ body: (any IDEControllerDelegate, IDEController) -> Void) {
        guard let delegate = state.pointee.delegate,
            let controller = unsafe state.pointee.controller
        else { return }
        unsafe controller._withUnsafeGuaranteedRef { body(delegate, $0) }
    }

    /// Called with every event while it is set.
    var trace: ((IDETraceEvent) -> Void)? {
        get { state.pointee.trace }
        set { state.pointee.trace = newValue }
    }

    var isTraced: Bool { state.pointee.trace != nil }

    /// Calls the trace. The event is only created if there is a trace.
    @inline(__always)
    func note(_ event: @autoclosure () -> IDETraceEvent) {
        if isTraced { call(event) }
    }

    // A function of its own, so that callers do not pay for events that are not traced.
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

    /// The channels' interrupts that have not been acknowledged: bit 0 and bit 1.
    var pending: UInt8 { state.pointee.pending }

    /// Whether INTA is to be high.
    private var isRaised: Bool { state.pointee.pending & ~state.pointee.blocked != 0 }

    /// Acknowledges interrupts although INTRQ is still high.
    func acknowledge(_ channels: UInt8) {
        state.pointee.pending &= ~channels
        updateLine()
    }

    /// Which channels do not reach INTA.
    func block(_ channels: UInt8) {
        state.pointee.blocked = channels
        updateLine()
    }

    /// Restores the channels' levels with `setLevels`, and which of their interrupts are not
    /// acknowledged. Then INTA changes to its level.
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
