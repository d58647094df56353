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
        configuration.pointee.save(&writer)
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
    /// When it throws, the controller is as after ``reset()``, unless it is ``IDEError/busy``.
    public func load(_ state: [UInt8]) throws(IDEError) {
        guard !isBusy else { throw .busy }
        reset()
        let unacknowledged: UInt8
        do throws(IDEError) {
            var reader = StateReader(state)
            let version = try loadHeader(&reader)
            try configuration.pointee.load(&reader)
            try compareDrives(&reader)
            try primary.load(&reader)
            try secondary.load(&reader)
            // Version 1 did not say: all of them.
            unacknowledged = version < 2 ? 3 : try reader.take(0...3, "a channel's interrupt")
            guard reader.isAtEnd else { throw IDEError.damagedState("it is too long") }
        } catch {
            reset()
            throw error
        }
        configurationChanged()
        router.restore(unacknowledged: unacknowledged) {
            primary.updateLine()
            secondary.updateLine()
        }
    }

    private func loadHeader(_ reader: inout StateReader) throws(IDEError) -> UInt32 {
        guard try reader.take(UInt32.self) == Self.magic else {
            throw .damagedState("it is no state of a controller")
        }
        let version = try reader.take(UInt32.self)
        guard (1...Self.stateVersion).contains(version) else { throw .unknownVersion(version) }
        return version
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
