public import BlockPCI

// The controller as its PCI function calls it.
extension IDEController: PCIDevice {
    /// A read of one of the five base address registers.
    public func read(_ function: PCIFunction, bar: Int, offset: Int, width: Int) -> UInt32 {
        read(bar: bar, offset: offset, width: width)
    }

    /// A write to one of the five base address registers.
    public func write(_ function: PCIFunction, bar: Int, offset: Int, width: Int, value: UInt32) {
        write(bar: bar, offset: offset, width: width, value: value)
    }

    /// Shows the copies of interrupts that a CMD646 has, and traces.
    public func configurationRead(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) -> UInt32 {
        var shown = value
        if isCMD646 { shown |= interruptCopies(offset, width: Self.clamped(width)) }
        router.note(.read(.configuration(offset: offset), width: width, value: shown))
        return shown
    }

    /// Acknowledges interrupts of a CMD646, and traces.
    public func configurationWritten(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) {
        router.note(.write(.configuration(offset: offset), width: width, value: value))
        guard isCMD646 else { return }
        for byte in 0..<Self.clamped(width) {
            registerWritten(offset &+ byte, UInt8(truncatingIfNeeded: value >> UInt32(8 * byte)))
        }
        blockChannels()
    }

    /// Tells the delegate of INTA.
    public func interruptChanged(_ function: PCIFunction, isRaised: Bool) {
        router.pinChanged(isRaised: isRaised)
    }

    /// What ``reset()`` does to the channels.
    public func reset(_ function: PCIFunction) {
        primary.powerOnReset()
        secondary.powerOnReset()
        router.block(0)
    }

    /// What ``poll(timeout:)`` does without waiting.
    public func poll(_ function: PCIFunction) { poll() }
}
