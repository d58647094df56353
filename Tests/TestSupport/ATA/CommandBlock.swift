/// Registers of a channel, as offsets from the first port of its command block (ATA/ATAPI-6 7.2).
enum CommandBlock {
    static let data: UInt16 = 0
    /// When it is read.
    static let error: UInt16 = 1
    /// When it is written.
    static let features: UInt16 = 1
    static let count: UInt16 = 2
    static let lbaLow: UInt16 = 3
    static let lbaMid: UInt16 = 4
    static let lbaHigh: UInt16 = 5
    static let device: UInt16 = 6
    /// When it is read; that lowers the interrupt.
    static let status: UInt16 = 7
    /// When it is written.
    static let command: UInt16 = 7
    /// From the command block of either channel in compatibility mode to its control block: alternate status
    /// when it is read, device control when it is written (PCI IDE Controller Specification 1.0, 2.1).
    static let control: UInt16 = 0x206
}

/// Registers of a control block in native mode, as offsets from its first (PCI IDE Controller Specification
/// 1.0, 2.1).
enum ControlBlock {
    /// Alternate status when it is read, device control when it is written.
    static let control: UInt16 = 2
}

/// First ports of the command blocks in compatibility mode (PCI IDE Controller Specification 1.0, 2.1).
enum ChannelPort {
    static let primary: UInt16 = 0x1F0
    static let secondary: UInt16 = 0x170
}

/// Bits of the device control register (ATA/ATAPI-6 7.8).
enum DeviceControlBits {
    /// nIEN: interrupts are switched off.
    static let interruptDisable: UInt8 = 0x02
    /// SRST: both drives are in reset as long as it is set.
    static let softwareReset: UInt8 = 0x04
    /// HOB: what was written last but one is read from the registers of an address.
    static let highOrderByte: UInt8 = 0x80
}
