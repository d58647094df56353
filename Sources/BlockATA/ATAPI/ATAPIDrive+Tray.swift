// The tray and what lies in it, from both sides.
extension ATAPIDrive {
    /// START STOP UNIT (MMC-5 6.42). The guest moves the tray and leaves the medium in it. It is told of
    /// that as of a medium that somebody has taken out and put in again.
    func startStop(_ packet: CommandPacket) {
        let (isStart, isLoadEject) = (packet[4] & 0x01 != 0, packet[4] & 0x02 != 0)
        // Power conditions, bits 7:4, have no effect here, and the other bits none with them.
        guard packet[4] & 0xF0 == 0, isLoadEject else { return succeed() }
        if !isStart && state.pointee.tray.isLocked && !state.pointee.tray.isOpen {
            return fail(.removalPrevented)
        }
        if isStart == state.pointee.tray.isOpen {
            state.pointee.tray.move(isOpen: !isStart, hasMedium: state.pointee.medium != nil)
        }
        succeed()
    }

    /// The emulator's user opens the tray and takes the medium out.
    func eject() throws(IDEError) {
        try checkUnlocked()
        replaceMedium(nil)
        state.pointee.tray.isOpen = true
    }

    /// The emulator's user puts another medium in, or takes it out and closes the tray.
    func changeMedium(_ medium: CDMedium?) throws(IDEError) {
        try checkUnlocked()
        replaceMedium(medium)
        state.pointee.tray.isOpen = false
    }

    /// A prevented medium stays, but the guest hears what is wanted of it.
    private func checkUnlocked() throws(IDEError) {
        guard state.pointee.tray.isLocked, !state.pointee.tray.isOpen else { return }
        state.pointee.tray.event = .ejectRequest
        throw .mediumLocked(slot)
    }

    /// A host request under way keeps its medium until it ends; the command it is for fails.
    private func replaceMedium(_ medium: CDMedium?) {
        if state.pointee.isInFlight && state.pointee.retiring == nil {
            state.pointee.retiring = state.pointee.medium
        }
        if state.pointee.job.kind == .reading { state.pointee.job.isMediumGone = true }
        state.pointee.medium = medium
        state.pointee.lastBlock = 0
        state.pointee.tray.change = medium == nil ? .none : .removed
        state.pointee.tray.event = medium == nil ? .mediaRemoval : .newMedia
    }
}
