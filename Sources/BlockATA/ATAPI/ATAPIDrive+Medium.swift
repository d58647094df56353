import BlockIO

// Changes of the disc by the user of the emulator, while the machine runs.
extension ATAPIDrive {
    /// The emulator's user opens the tray and takes the medium out.
    package func eject() throws(ATAError) {
        try checkUnlocked()
        replaceMedium(nil)
        state.pointee.tray.isOpen = true
    }

    /// The emulator's user puts another medium in, or takes it out and closes the tray.
    package func changeMedium(_ medium: CDMedium?) throws(ATAError) {
        try checkUnlocked()
        replaceMedium(medium)
        state.pointee.tray.isOpen = false
    }

    /// A medium whose removal is prevented stays, and the guest is told of the request to eject.
    private func checkUnlocked() throws(ATAError) {
        guard state.pointee.tray.isLocked, !state.pointee.tray.isOpen else { return }
        state.pointee.tray.event = .ejectRequest
        throw .mediumLocked
    }

    /// A host request under way keeps its medium until it completes; its command fails.
    private func replaceMedium(_ medium: CDMedium?) {
        let old = state.pointee.medium
        if let old, old.queue.outstanding > 0 && state.pointee.retiring == nil {
            state.pointee.retiring = old
        }
        if state.pointee.job.kind == .reading {
            state.pointee.job.isMediumGone = true
            let connection = state.pointee.core.connection
            for tag in 0..<connection.tags where connection.registers(of: tag).pointee.isArmed {
                connection.registers(of: tag).pointee.demand = state.pointee.job.demand
            }
        }
        state.pointee.medium = medium
        state.pointee.lastBlock = 0
        state.pointee.tray.change = medium == nil ? .none : .removed
        state.pointee.tray.event = medium == nil ? .mediaRemoval : .newMedia
    }
}
