import GuestMemory

// Which of the two devices is to blame for what the channel's mapper does: the one whose transfer
// began last, as one command at a time is under way.
extension IDEChannel {
    /// Begins the transfer of `device` that the list describes.
    func beginTransfer(
        of device: Int, _ direction: DMADirection, unit: Int
    ) -> (DMATransfer, DMAStep) {
        if state.pointee.accounts.device != device {
            settleAccounts()
            state.pointee.accounts.device = device
        }
        return mapper.begin(state.pointee.list, direction, unit: unit)
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
        /// What the mapper had done when that was last looked at.
        var settled = DMABytes()
        var moved = (DMABytes(), DMABytes())
    }
}

/// What the DMA of a drive has moved.
public struct DMABytes: Sendable, Hashable {
    /// Bytes for which the host was given guest memory.
    public internal(set) var direct: UInt64 = 0
    /// Bytes that passed through a bounce buffer of the DMA mapper.
    public internal(set) var bounced: UInt64 = 0

    mutating func add(_ direct: UInt64, _ bounced: UInt64) {
        self.direct &+= direct
        self.bounced &+= bounced
    }
}

extension IDEController {
    /// What the DMA of the drive in a slot has moved so far; host requests that failed or went in
    /// vain included.
    public func dmaBytes(of slot: IDESlot) -> DMABytes {
        channel(slot.channel).bytesMoved(by: slot.device)
    }
}
