// The configuration space (PCI Local Bus 3.0, 6.1).
extension PCIFunction {
    static func clamped(_ width: Int) -> Int { min(max(width, 0), 4) }

    /// Reads `width` bytes (up to 4) of the configuration space, little-endian. Bytes beyond its
    /// end are FFh.
    public func readConfiguration(_ offset: Int, width: Int) -> UInt32 {
        var value: UInt32 = 0
        for byte in 0..<Self.clamped(width) {
            value |= UInt32(shown(offset &+ byte)) << UInt32(8 * byte)
        }
        guard let device else { return value }
        return device.configurationRead(self, offset: offset, width: width, value: value)
    }

    /// Writes the low `width` bytes (up to 4) of `value`. Bytes beyond the end are lost.
    public func writeConfiguration(_ offset: Int, width: Int, value: UInt32) {
        for byte in 0..<Self.clamped(width) {
            unsafe state.pointee.space.write(
                offset &+ byte, UInt8(truncatingIfNeeded: value >> UInt32(8 * byte)))
        }
        updateDecoding()
        device?.configurationWritten(self, offset: offset, width: width, value: value)
        updatePin()
    }

    /// A register as the guest reads it, with the bits that follow the device.
    private func shown(_ offset: Int) -> UInt8 {
        let value = unsafe state.pointee.space.read(offset)
        guard offset == PCIRegister.status, isInterruptRequested, hasInterruptStatus else {
            return value
        }
        return value | UInt8(PCIStatus.interrupt.rawValue)
    }

    /// The command register.
    public var command: PCICommand {
        unsafe PCICommand(rawValue: state.pointee.space.read16(PCIRegister.command))
    }

    // MARK: For the device

    /// The byte that is kept at `offset`, 0 to 255; FFh beyond.
    public func register(_ offset: Int) -> UInt8 { unsafe state.pointee.space.read(offset) }

    /// Changes a byte to `value`, constant bits included: for registers whose content the device
    /// decides.
    public func setRegister(_ offset: Int, to value: UInt8) {
        unsafe state.pointee.space.set(offset, value)
        updateDecoding()
        updatePin()
    }

    /// Sets those of the `bits` of the status register that are in
    /// ``PCIFunctionLayout/clearableStatus``.
    public func note(_ bits: PCIStatus) {
        unsafe state.pointee.space.raise(
            PCIRegister.status, UInt8(truncatingIfNeeded: bits.rawValue))
        unsafe state.pointee.space.raise(
            PCIRegister.status + 1, UInt8(truncatingIfNeeded: bits.rawValue >> 8))
    }

    // MARK: Saved state

    /// The ``configurationSize`` bytes of the configuration space, to be saved. They do not contain
    /// bits that follow the device or the interrupt.
    public var savedRegisters: [UInt8] { unsafe state.pointee.space.content }

    /// The offset of the first byte of `saved` whose constant bits differ from those of this
    /// function. `nil` if there is none, so that ``restoreRegisters(_:)`` can take them.
    public func firstDifference(from saved: some Sequence<UInt8>) -> Int? {
        unsafe state.pointee.space.firstDifference(from: saved)
    }

    /// Restores saved registers, except constant bits. The device is not told.
    public func restoreRegisters(_ saved: some Sequence<UInt8>) {
        unsafe state.pointee.space.restore(saved)
        updateDecoding()
        updatePin()
    }
}
