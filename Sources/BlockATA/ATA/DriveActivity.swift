/// What a drive is doing while the host does nothing for it; the registers of the channel must agree with
/// it.
package enum DriveActivity: Equatable {
    /// No command is under way.
    case idle
    /// The data port is open.
    case movingData
    /// A DMA command waits for START.
    case armed
    /// A host request without DMA waits for ``AttachedDrive/retry(on:)``.
    case parked
    /// A DMA command of so many bytes waits for ``AttachedDrive/retry(on:)``: it runs again with the
    /// descriptor table of the state.
    case parkedTransfer(bytes: UInt64)
}
