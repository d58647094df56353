// The interrupt pin (PCI Local Bus 3.0, 2.2.6, 6.2.2 and 6.2.3). It is level-sensitive.
extension PCIFunction {
    /// The device asks for an interrupt as long as `isRaised`, or withdraws it. A function without
    /// a pin has nothing to raise.
    public func setInterrupt(isRaised: Bool) {
        unsafe state.pointee.isInterruptRequested = isRaised
        updatePin()
    }

    /// The level of the pin: the device asks for an interrupt, and bit 10 of the command register
    /// does not keep it back.
    public var isInterruptRaised: Bool { unsafe state.pointee.isInterruptRaised }

    /// Whether the device asks for an interrupt, let through or not.
    var isInterruptRequested: Bool { unsafe state.pointee.isInterruptRequested }

    /// Bit 3 of the status register came together with bit 10 of the command register.
    var hasInterruptStatus: Bool {
        layout.interruptPin != nil && layout.command.contains(.interruptDisable)
    }

    func updatePin() {
        let isRaised =
            isInterruptRequested && layout.interruptPin != nil
            && !command.contains(.interruptDisable)
        guard unsafe isRaised != state.pointee.isInterruptRaised else { return }
        unsafe state.pointee.isInterruptRaised = isRaised
        device?.interruptChanged(self, isRaised: isRaised)
        // That may have changed the pin again, of which the receiver has heard already.
        guard unsafe state.pointee.isInterruptRaised == isRaised else { return }
        interruptReceiver?.interrupt(of: self, isRaised: isRaised)
    }
}
