public import GuestMemory

// Which addresses the function answers at (PCI Local Bus 3.0, 6.2.2 and 6.2.5.1).
extension PCIFunction {
    /// Whether I/O ports answer: bit 0 of the command register.
    @inlinable public var isIOEnabled: Bool { state.pointee.isIOEnabled }

    /// Whether memory answers: bit 1 of the command register.
    @inlinable public var isMemoryEnabled: Bool { state.pointee.isMemoryEnabled }

    /// What a base address register (0 to 5) decodes; `nil` when it does not exist.
    public func bar(_ index: Int) -> PCIBaseAddress? {
        layout.bars.indices.contains(index) ? layout.bars[index] : nil
    }

    /// The first port at which a base address register answers; `nil` while none does. 0, as firmware
    /// finds it, is no place, and there are 65536 ports.
    public func port(ofBAR index: Int) -> UInt16? {
        guard let bar = bar(index), bar.isIO, windows[index].size > 0 else { return nil }
        return UInt16(truncatingIfNeeded: windows[index].base)
    }

    /// The first address in memory at which a base address register answers; `nil` while none does. 0, as
    /// firmware finds it, is no place.
    public func address(ofBAR index: Int) -> GuestAddress? {
        guard let bar = bar(index), !bar.isIO, windows[index + Self.barCount].size > 0 else {
            return nil
        }
        return GuestAddress(windows[index + Self.barCount].base)
    }

    /// Where a port lies in what a base address register (0 to 5) decodes; `nil` when it does not answer
    /// there.
    @inlinable
    public func offset(ofPort port: UInt16, inBAR index: Int) -> Int? {
        index >= 0 && index < Self.barCount ? offset(UInt64(port), windows[index]) : nil
    }

    /// Where an address in memory lies in what a base address register (0 to 5) decodes; `nil` when it does
    /// not answer there.
    @inlinable
    public func offset(ofAddress address: GuestAddress, inBAR index: Int) -> Int? {
        index >= 0 && index < Self.barCount
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
        state.pointee.isIOEnabled = command.contains(.io)
        state.pointee.isMemoryEnabled = command.contains(.memory)
        for (index, bar) in layout.bars.enumerated() {
            guard let bar else { continue }
            windows[bar.isIO ? index : index + Self.barCount] = window(index, bar)
        }
    }

    private func window(_ index: Int, _ bar: PCIBaseAddress) -> Window {
        let offset = PCIRegister.firstBAR + 4 * index
        var base = UInt64(state.pointee.space.read32(offset))
        if bar.is64Bit { base |= UInt64(state.pointee.space.read32(offset + 4)) << 32 }
        base &= bar.addressMask
        let isPlace = base != 0 && (!bar.isIO || base <= UInt64(UInt16.max))
        let isEnabled = bar.isIO ? isIOEnabled : isMemoryEnabled
        return Window(base: base, size: isPlace && isEnabled ? UInt64(bar.size) : 0)
    }

    // MARK: Accesses to what is decoded

    /// Reads `width` bytes (1, 2 or 4) at an offset in what a base address register decodes, wherever that
    /// is, little-endian. All ones while ports or memory do not answer, and for an access that does not lie
    /// inside.
    public func read(bar index: Int, offset: Int, width: Int) -> UInt32 {
        guard answers(index, offset, width), let device else {
            return UInt32.max >> UInt32(8 * (4 - Self.clamped(width)))
        }
        return device.read(self, bar: index, offset: offset, width: width)
    }

    /// Writes the low `width` bytes (1, 2 or 4) of `value`. What does not answer loses it.
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
