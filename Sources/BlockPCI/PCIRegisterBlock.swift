/// Consecutive configuration registers of a function: what they are after a reset, and what a write
/// does to each byte. Bits that neither keep what is written nor are cleared are constant for the
/// guest.
public struct PCIRegisterBlock: Sendable, Hashable {
    /// Where the first byte is in the configuration space.
    public var offset: Int
    /// What each byte is after a reset.
    public var reset: [UInt8]
    /// The bits of each byte that keep what is written; as many as ``reset`` has bytes.
    public var writable: [UInt8]
    /// The bits of each byte that are cleared by writing 1; as many as ``reset`` has bytes, and none of
    /// the ``writable`` ones.
    public var clearable: [UInt8]

    /// The bytes from `offset` on. Without masks they are constant.
    public init(
        at offset: Int, reset: [UInt8], writable: [UInt8]? = nil, clearable: [UInt8]? = nil
    ) {
        let nothing = [UInt8](repeating: 0, count: reset.count)
        self.offset = offset
        self.reset = reset
        self.writable = writable ?? nothing
        self.clearable = clearable ?? nothing
    }

    /// `count` bytes that are 0 after a reset and keep the bits of `mask`.
    public init(at offset: Int, count: Int = 1, keeping mask: UInt8) {
        self.init(
            at: offset, reset: [UInt8](repeating: 0, count: count),
            writable: [UInt8](repeating: mask, count: count))
    }
}
