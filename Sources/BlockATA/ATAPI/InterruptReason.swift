/// Interrupt reason, which the sector count register is while a packet is carried out (ATA/ATAPI-6
/// 7.14 with 9.8, SFF-8020i table 5): bit 0 command or data, bit 1 direction.
enum InterruptReason {
    static let mask: UInt8 = 0x07
    /// The packet is wanted.
    static let command: UInt8 = 1
    /// Data comes from the guest.
    static let dataOut: UInt8 = 0
    /// Data goes to the guest.
    static let dataIn: UInt8 = 2
    /// The command has ended.
    static let status: UInt8 = 3
}
