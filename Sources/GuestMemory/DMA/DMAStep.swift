/// The next step of a transfer.
public enum DMAStep {
    /// The device is to transfer this piece, and to answer it with
    /// ``DMATransfer/pieceEnded(transferred:isSuccess:)``.
    case submit(DMAPiece)
    /// The transfer waits for bounce buffers, or for the memory of another process.
    /// ``DMAMapper/resume(_:)`` continues it.
    case wait
    /// The transfer has ended. It belongs to its mapper again.
    case done(DMAResult)
}
