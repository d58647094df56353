/// What a ``DMAMapper`` has done since it was made.
public struct DMAStatistics: Sendable, Hashable {
    /// Bytes for which the device was given guest memory directly.
    public let directBytes: UInt64
    /// Bytes that passed through a bounce buffer.
    public let bouncedBytes: UInt64
    /// Transfers for which the mapper had to allocate, because its cache was empty.
    public let allocatedTransfers: Int
    /// Transfers that have begun and not ended.
    public let active: Int
}
