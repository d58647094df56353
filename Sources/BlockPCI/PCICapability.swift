/// An entry of the capabilities list (PCI Local Bus 3.0, 6.7): an ID, the offset of the next entry, and
/// registers of its own.
public struct PCICapability: Sendable, Hashable {
    /// The first byte (appendix H).
    public var id: UInt8
    /// Where the entry begins: a multiple of 4 from ``PCIRegister/deviceSpecific`` on.
    public var offset: Int
    /// The registers behind the first two bytes. Their offset is that of the entry plus 2.
    public var registers: PCIRegisterBlock

    /// An entry at `offset` whose registers, from its third byte on, are these after a reset.
    public init(
        id: UInt8, at offset: Int, reset: [UInt8], writable: [UInt8]? = nil,
        clearable: [UInt8]? = nil
    ) {
        self.id = id
        self.offset = offset
        registers = PCIRegisterBlock(
            at: offset + 2, reset: reset, writable: writable, clearable: clearable)
    }
}
