/// How a transfer ended.
public struct DMAResult: Sendable, Hashable {
    /// Why it ended.
    public enum Outcome: Sendable, Hashable {
        /// All bytes were transferred.
        case success
        /// The list, the memory that it names, or a device in it was refused.
        case fault(GuestMemoryError)
        /// The device answered that it could not transfer a piece.
        case deviceFailed
        /// It was cancelled before all pieces had been submitted.
        case cancelled
    }

    /// Why it ended.
    public let outcome: Outcome
    /// How many bytes, counted from the first one of the transfer, were certainly transferred.
    public let transferred: UInt64

    /// A result with this outcome and number of bytes.
    public init(outcome: Outcome, transferred: UInt64) {
        self.outcome = outcome
        self.transferred = transferred
    }
}
