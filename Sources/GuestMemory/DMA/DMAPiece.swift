import Glibc

/// What a device submits in one request: host memory for a stretch of a transfer.
public struct DMAPiece {
    /// The host memory, in the order of the data. It stays until the answer to the piece, and so
    /// does this array.
    public let vectors: UnsafeBufferPointer<iovec>
    /// The first byte of the transfer that is in the piece.
    public let offset: TransferOffset
    /// How many bytes it has: the sum of the vectors.
    public let length: UInt64
}

/// What a transfer needs next.
public enum DMAStep {
    /// The device is to transfer this, and to answer with
    /// ``DMATransfer/pieceEnded(transferred:isSuccess:)``.
    case submit(DMAPiece)
    /// Bounce buffers are used up, or another process has been asked for its memory: the transfer
    /// waits, and ``DMAMapper/resume(_:)`` goes on with it.
    case wait
    /// It is over. The transfer belongs to its mapper again.
    case done(DMAResult)
}

/// What became of a transfer.
public struct DMAResult: Sendable, Hashable {
    /// Why it ended.
    public enum Outcome: Sendable, Hashable {
        /// All bytes were transferred.
        case success
        /// The list, the memory it names, or a device in it would not do.
        case fault(GuestMemoryError)
        /// The device answered that it could not transfer a piece.
        case deviceFailed
        /// It was cancelled before all pieces had been submitted.
        case cancelled
    }

    /// Why it ended.
    public let outcome: Outcome
    /// How many bytes from the start were transferred for certain.
    public let transferred: UInt64

    /// A result.
    public init(outcome: Outcome, transferred: UInt64) {
        self.outcome = outcome
        self.transferred = transferred
    }
}
