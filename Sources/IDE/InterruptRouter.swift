/// What leads out of the controller: its interrupt lines, events and the trace.
final class InterruptRouter {
    /// The emulator.
    weak var delegate: (any IDEControllerDelegate)?
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var trace: ((IDETraceEvent) -> Void)?
        /// INTRQ of the channels, as the host sees them.
        var levels = (false, false)
        var isNative: Bool
    }

    init(isNative: Bool) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(isNative: isNative))
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Called with everything that happens, while it is set.
    var trace: ((IDETraceEvent) -> Void)? {
        get { state.pointee.trace }
        set { state.pointee.trace = newValue }
    }

    /// Calls the trace with an event that is only made if somebody looks.
    @inline(__always)
    func note(_ event: @autoclosure () -> IDETraceEvent) {
        if state.pointee.trace != nil { state.pointee.trace?(event()) }
    }

    /// INTRQ of a channel has the level `isRaised`.
    func set(channel: Int, isRaised: Bool) {
        let before = state.pointee.levels
        if channel == 0 {
            state.pointee.levels.0 = isRaised
        } else {
            state.pointee.levels.1 = isRaised
        }
        let after = state.pointee.levels
        if state.pointee.isNative {
            if (before.0 || before.1) != (after.0 || after.1) {
                drive(.inta, after.0 || after.1)
            }
        } else {
            if before.0 != after.0 { drive(.irq14, after.0) }
            if before.1 != after.1 { drive(.irq15, after.1) }
        }
    }

    private func drive(_ line: IDEInterrupt, _ isRaised: Bool) {
        note(.interrupt(line, isRaised: isRaised))
        delegate?.interrupt(line, isRaised: isRaised)
    }
}
