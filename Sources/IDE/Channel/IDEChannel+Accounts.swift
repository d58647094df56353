import GuestMemory

// Assigns the bytes that the channel's mapper moves to its two devices. They belong to the device
// whose transfer began last, because one command at a time is under way.
extension IDEChannel {
    /// Names another device than before whose transfer begins.
    func chargeTransfers(to device: Int) {
        settleAccounts()
        state.pointee.accounts.device = device
    }

    /// What DMA of a device has moved so far.
    func bytesMoved(by device: Int) -> DMABytes {
        settleAccounts()
        return device == 0 ? state.pointee.accounts.moved.0 : state.pointee.accounts.moved.1
    }

    private func settleAccounts() {
        let now = mapper.statistics
        let direct = now.directBytes &- state.pointee.accounts.settled.direct
        let bounced = now.bouncedBytes &- state.pointee.accounts.settled.bounced
        state.pointee.accounts.settled = DMABytes(
            direct: now.directBytes, bounced: now.bouncedBytes)
        if state.pointee.accounts.device == 0 {
            state.pointee.accounts.moved.0.add(direct, bounced)
        } else {
            state.pointee.accounts.moved.1.add(direct, bounced)
        }
    }

    /// What has been assigned to the devices.
    struct Accounts {
        /// Whose transfer began last.
        var device = 0
        /// The counters of the mapper when bytes were assigned last.
        var settled = DMABytes()
        var moved = (DMABytes(), DMABytes())
    }
}
