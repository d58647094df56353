public import GuestMemory

// Which addresses the function answers at (PCI Local Bus 3.0, 6.2.2 and 6.2.5.1).
extension PCIFunction {
    /// Whether I/O ports answer: bit 0 of the command register.
    @inlinable public var isIOEnabled: Bool { unsafe state.pointee.isIOEnabled }

    /// Whether memory answers: bit 1 of the command register.
    @inlinable public var isMemoryEnabled: Bool { unsafe state.pointee.isMemoryEnabled }

    /// The kind and size of a base address register (0 to 5); `nil` if it does not exist.
    public func bar(_ index: Int) -> PCIBaseAddress? {
        layout.bars.indices.contains(index) ? layout.bars[index] : nil
    }

    /// The first port that a base address register decodes; `nil` while it decodes none. It decodes
    /// none while it is 0, as after a reset, or above 65535.
    public func port(ofBAR index: Int) -> UInt16? {
        guard let bar = bar(index), bar.isIO, unsafe windows[index].size > 0 else { return nil }
        return unsafe UInt16(truncatingIfNeeded: windows[index].base)
    }

    /// The first memory address that a base address register decodes; `nil` while it decodes none.
    /// It decodes none while it is 0, as after a reset.
    public func address(ofBAR index: Int) -> GuestAddress? {
        guard let bar = bar(index), !bar.isIO, unsafe windows[index + Self.barCount].size > 0 else {
            return nil
        }
        return unsafe GuestAddress(windows[index + Self.barCount].base)
    }

    /// The offset of a port in the range that a base address register (0 to 5) decodes; `nil` if
    /// the register does not decode the port.
    @inlinable
    public func offset(ofPort port: UInt16, inBAR index: Int) -> Int? {
        unsafe index >= 0 && index < Self.barCount ? offset(UInt64(port), windows[index]) : nil
    }

    /// The offset of a memory address in the range that a base address register (0 to 5) decodes;
    /// `nil` if the register does not decode the address.
    @inlinable
    public func offset(ofAddress address: GuestAddress, inBAR index: Int) -> Int? {
        unsafe index >= 0 && index < Self.barCount
            ? offset(address.rawValue, windows[index &+ Self.barCount]) : nil
    }

    @inlinable
    func offset(_ address: UInt64, _ window: Window) -> Int? {
        let offset = address &- window.base
        return offset < window.size ? Int(truncatingIfNeeded: offset) : nil
    }

    /// Follows the command register and the base address registers.
    func updateDecoding() {
        let command = command
        gate.isOpen = command.contains(.busMaster)
        unsafe state.pointee.isIOEnabled = command.contains(.io)
        unsafe state.pointee.isMemoryEnabled = command.contains(.memory)
        for (index, bar) in layout.bars.enumerated() {
            guard let bar else { continue }
            unsafe windows[bar.isIO ? index : index + Self.barCount] = window(index, bar)
        }
    }

    private func window(_ index: Int, _ bar: PCIBaseAddress) -> Window {
        let offset = PCIRegister.firstBAR + 4 * index
        var base = unsafe UInt64(state.pointee.space.read32(offset))
        if bar.is64Bit { unsafe base |= UInt64(state.pointee.space.read32(offset + 4)) << 32 }
        base &= bar.addressMask
        let isPlace = base != 0 && (!bar.isIO || base <= UInt64(UInt16.max))
        let isEnabled = bar.isIO ? isIOEnabled : isMemoryEnabled
        return Window(base: base, size: isPlace && isEnabled ? UInt64(bar.size) : 0)
    }

    // MARK: Accesses to what is decoded

    /// Reads `width` bytes (1, 2 or 4) at an offset in the range of a base address register,
    /// wherever that range is, little-endian. Returns all ones while ports or memory are disabled,
    /// and for an access that is not inside the range.
    public func read(bar index: Int, offset: Int, width: Int) -> UInt32 {
        guard answers(index, offset, width), let device else {
            return UInt32.max >> UInt32(8 * (4 - Self.clamped(width)))
        }
        return device.read(self, bar: index, offset: offset, width: width)
    }

    /// Writes the low `width` bytes (1, 2 or 4) of `value` at an offset in the range of a base
    /// address register. The value is lost where a read returns all ones without a device.
    public func write(bar index: Int, offset: Int, width: Int, value: UInt32) {
        guard answers(index, offset, width) else { return }
        device?.write(self, bar: index, offset: offset, width: width, value: value)
    }

    private func answers(_ index: Int, _ offset: Int, _ width: Int) -> Bool {
        guard width == 1 || width == 2 || width == 4, let bar = bar(index),
            offset >= 0, offset <= bar.size - width
        else { return false }
        return bar.isIO ? isIOEnabled : isMemoryEnabled
    }
}
