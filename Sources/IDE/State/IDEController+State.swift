// Saving and restoring the whole function. Guest memory and images are the emulator's to save.
extension IDEController {
    /// "BIDE", the first bytes of a saved state.
    private static let magic: UInt32 = 0x4544_4942
    /// Of the format. A later version reads the earlier ones.
    static let stateVersion: UInt32 = 2

    /// Ends what the host has begun, and returns everything that a guest could notice: registers,
    /// commands under way, requests kept by policy ``ErrorPolicy/stop``.
    ///
    /// Throws ``IDEError/busy`` when the host has not ended within `timeout`; `nil`, the default, is
    /// no limit.
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
        var writer = StateWriter()
        writer.put(Self.magic)
        writer.put(Self.stateVersion)
        function.save(&writer)
        for slot in IDESlot.allCases {
            let drive = drive(in: slot)
            writer.put(drive != nil)
            drive?.describe(&writer)
        }
        primary.save(&writer)
        secondary.save(&writer)
        writer.put(router.pending)
        return writer.bytes
    }

    /// Makes this controller what the saved one was: with the same identity and the same drives,
    /// and with nothing under way. Lines that are high in the state are raised.
    ///
    /// The state may come from anywhere: all of it is checked before anything changes, and a
    /// controller whose state was accepted can run. When this throws, the controller is as it was:
    /// ``IDEError/damagedState(_:)``, ``IDEError/unknownVersion(_:)``,
    /// ``IDEError/otherHardware(_:)`` or ``IDEError/busy``.
    public func load(_ state: [UInt8]) throws(IDEError) {
        guard !isBusy else { throw .busy }
        var reader = StateReader(state)
        let version = try Self.takeHeader(&reader)
        let registers = try function.decode(&reader)
        try compareDrives(&reader)
        let (applyPrimary, isPrimaryRaised) = try primary.decode(&reader)
        let (applySecondary, isSecondaryRaised) = try secondary.decode(&reader)
        let raised: UInt8 = (isPrimaryRaised ? 1 : 0) | (isSecondaryRaised ? 2 : 0)
        let unacknowledged = try takeUnacknowledged(&reader, version, raised: raised)
        guard reader.isAtEnd else { throw IDEError.damagedState("it is too long") }

        reset()
        function.restoreRegisters(registers)
        applyPrimary()
        applySecondary()
        blockChannels()
        router.restore(unacknowledged: unacknowledged) {
            primary.updateLine()
            secondary.updateLine()
        }
    }

    private static func takeHeader(_ reader: inout StateReader) throws(IDEError) -> UInt32 {
        guard try reader.take(UInt32.self) == magic else {
            throw .damagedState("it is no state of a controller")
        }
        let version = try reader.take(UInt32.self)
        guard (1...stateVersion).contains(version) else { throw .unknownVersion(version) }
        return version
    }

    /// Interrupts of the channels, of those that are `raised`, that nobody has acknowledged. Only a
    /// CMD646 can be told that a line that is still high has been served.
    private func takeUnacknowledged(
        _ reader: inout StateReader, _ version: UInt32, raised: UInt8
    ) throws(IDEError) -> UInt8 {
        // Version 1 did not say: all of them.
        guard version >= 2 else { return raised }
        let saved: UInt8 = try reader.take()
        let isGood =
            isCMD646 ? saved & ~raised == 0 : saved == (isNative ? raised : 0)
        guard isGood else { throw .damagedState("interrupts \(saved) with the lines \(raised)") }
        return saved
    }

    private func compareDrives(_ reader: inout StateReader) throws(IDEError) {
        for slot in IDESlot.allCases {
            let drive = drive(in: slot)
            let isPresent: Bool = try reader.take()
            guard isPresent == (drive != nil) else {
                throw .otherHardware("\(slot) is \(isPresent ? "taken" : "empty") in it")
            }
            var own = StateWriter()
            drive?.describe(&own)
            for byte in own.bytes {
                guard try reader.take(UInt8.self) == byte else {
                    throw .otherHardware("\(slot) has another drive in it")
                }
            }
        }
    }
}
