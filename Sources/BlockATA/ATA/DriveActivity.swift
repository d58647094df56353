/// What a drive is doing while it has no host request. The registers of the channel must agree with
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
    /// A DMA command of `bytes` bytes waits for ``AttachedDrive/retry(on:)``. It is repeated with
    /// the descriptor table of the state.
    case parkedTransfer(bytes: UInt64)
}
