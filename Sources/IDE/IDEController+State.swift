internal import BlockState

// Saving and restoring the whole function. Guest memory and images are the emulator's to save.
// docs/state-format.md describes the format.
extension IDEController {
    /// Later versions read earlier ones, except 1 and 2, which had another format.
    static let stateFormat = StateFormat(magic: "BIDE", versions: 3...3)

    /// Waits for the host requests under way, and returns all of the state that a guest can
    /// observe: registers, commands, and requests kept by policy `ErrorPolicy.stop`.
    ///
    /// Throws ``IDEError/busy`` when host requests are still under way after `timeout`; `nil`, the
    /// default, is no limit. Throws ``IDEError/damagedState(field:reason:)`` instead of returning a
    /// state that could not be loaded.
    public func save(timeout: Duration? = nil) throws(IDEError) -> [UInt8] {
        let start = ContinuousClock.now
        while isBusy {
            var left: Duration?
            if let timeout {
                left = timeout - (ContinuousClock.now - start)
                if left ?? .zero < .zero { throw .busy }
            }
            if poll(timeout: left) == 0 && left == .zero { throw .busy }
        }
        poll()
        let saved = SavedController(
            configuration: .init(registers: function.savedRegisters), primary: primary.save(),
            secondary: secondary.save(), interrupts: .init(unacknowledged: router.pending))
        do throws(StateError) {
            return try Self.stateFormat.write(saved)
        } catch {
            throw IDEError(error)
        }
    }

    /// Restores a saved state. This controller must have the identity and the drives of the saved
    /// one, and nothing under way. Lines that are high in the state are raised.
    ///
    /// The state may come from anywhere: all of it is checked before anything changes, and a
    /// controller whose state was accepted can run. A disk has to have the same geometry, which
    /// `DiskOptions.geometry` gives if a partition table does not. When this throws, the controller is as it
    /// was:
    /// ``IDEError/damagedState(field:reason:)``, ``IDEError/unknownVersion(_:known:)``,
    /// ``IDEError/otherHardware(field:reason:)`` or ``IDEError/busy``.
    public func load(_ state: [UInt8]) throws(IDEError) {
        guard !isBusy else { throw .busy }
        let saved: SavedController
        do throws(StateError) {
            saved = try Self.stateFormat.read(state, into: SavedController())
            try check(saved)
        } catch {
            throw IDEError(error)
        }
        reset()
        function.restoreRegisters(saved.configuration.registers)
        primary.load(saved.primary)
        secondary.load(saved.secondary)
        blockChannels()
        router.restore(unacknowledged: saved.interrupts.unacknowledged) {
            primary.updateLine()
            secondary.updateLine()
        }
    }

    /// Whether this controller can become what was saved. Changes nothing.
    private func check(_ saved: SavedController) throws(StateError) {
        try StateError.inside("configuration") { () throws(StateError) in
            try function.check(saved.configuration.registers)
        }
        try StateError.inside("primary") { () throws(StateError) in try primary.check(saved.primary)
        }
        try StateError.inside("secondary") { () throws(StateError) in
            try secondary.check(saved.secondary)
        }
        try checkInterrupts(saved)
    }

    /// Only a CMD646 can be told that a line that is still high has been served.
    private func checkInterrupts(_ saved: SavedController) throws(StateError) {
        let raised: UInt8 =
            (saved.primary.isRaised ? 1 : 0) | (saved.secondary.isRaised ? 2 : 0)
        let unacknowledged = saved.interrupts.unacknowledged
        let isGood =
            isCMD646
            ? unacknowledged & ~raised == 0 : unacknowledged == (isNative ? raised : 0)
        guard isGood else {
            throw .damaged(
                field: "interrupts.unacknowledged",
                reason: "it is \(unacknowledged) while the lines are \(raised)")
        }
    }
}
