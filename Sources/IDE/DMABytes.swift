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
