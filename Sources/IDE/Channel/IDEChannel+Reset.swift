import BlockATA

// Resets and the diagnostic (ATA/ATAPI-6 8.12, 9.1, 9.2).
extension IDEChannel {
    /// Both drives are busy from now on. The reset ends when all host requests have completed,
    /// because these may change guest memory until then.
    func beginReset() {
        router.note(.reset(channel: number))
        abandonAll()
        for device in 0..<2 { drives[device].softwareReset() }
    }

    /// A reset of everything, that of the PCI function.
    func powerOnReset() {
        state.pointee.deviceControl = 0
        state.pointee.busMaster = BusMaster()
        abandonAll()
        for device in 0..<2 { drives[device].powerOnReset() }
        showSignaturesUnlessBusy()
    }

    private func abandonAll() {
        state.pointee.isInterruptPending = false
        updateLine()
        state.pointee.busMaster.clearActive()
        state.pointee.isResetting = true
        // The guest always sees a busy drive: if the selected one is absent, the other is selected.
        if !hasDrive(state.pointee.selected) { selectFirst() }
        for device in 0..<2 {
            registers[device].isArmed = false
            registers[device].window.close()
            guard hasDrive(device) else { continue }
            drives[device].abandon(on: self)
            registers[device].status = Status.busy
        }
    }

    /// Shows the signatures once SRST is 0 and no host request is left. No interrupt.
    @inline(never)
    func showSignaturesUnlessBusy() {
        guard state.pointee.isResetting,
            state.pointee.deviceControl & DeviceControl.softwareReset == 0, !isBusy
        else { return }
        state.pointee.isResetting = false
        showSignatures()
    }

    private func selectFirst() {
        state.pointee.selected = 0
        for device in 0..<2 { registers[device].taskFile.device = DeviceRegister.alwaysSet }
    }

    private func showSignatures() {
        selectFirst()
        for device in 0..<2 {
            if let signature = drives[device].signature { registers[device].show(signature) }
        }
    }

    /// Both drives test themselves, whichever was selected; device 0 answers for both.
    func diagnose() {
        showSignatures()
        if hasDrive(0) { raiseInterrupt() }
    }
}
