/// Registers of one channel's bus master, as offsets from the first (SFF-8038i 3.0).
enum BusMasterRegister {
    static let command: UInt16 = 0
    static let status: UInt16 = 2
    /// Four bytes: the address of the descriptor table.
    static let table: UInt16 = 4
    /// From the registers of the primary channel to those of the secondary one.
    static let secondChannel: UInt16 = 8
}

/// Values of the bus master's command register: bit 0 starts it, bit 3 is set when it writes memory
/// (SFF-8038i 3.0).
enum BusMasterCommand {
    static let stop: UInt8 = 0x00
    /// For commands that write the disk.
    static let startReadingMemory: UInt8 = 0x01
    /// The direction alone.
    static let stopWritingMemory: UInt8 = 0x08
    /// For commands that read the disk.
    static let startWritingMemory: UInt8 = 0x09
    static let all = [stop, startReadingMemory, stopWritingMemory, startWritingMemory]
}
