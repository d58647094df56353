public import BlockDMA
public import BlockIO

/// A failed host request of a drive.
public struct DriveEvent: Sendable, Hashable {
    /// The drive.
    public let slot: IDESlot
    /// What the host was asked to do.
    public let operation: BlockOperation
    /// What went wrong.
    public let failure: BlockError.Code
    /// The errno behind it; 0 when the block layer itself refused.
    public let errno: CInt
    /// What the drive does about it.
    public let action: ErrorAction
}
