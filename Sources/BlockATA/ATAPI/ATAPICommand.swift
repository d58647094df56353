/// The commands of a packet device that are no packets. Sections are of ATA/ATAPI-6 unless another
/// standard is named.
enum ATAPICommand: UInt8 {
    /// 8.22
    case nop = 0x00
    /// 8.10
    case deviceReset = 0x08
    /// 8.34, only to be refused
    case readSectors = 0x20
    /// ATA/ATAPI-4 8.27, where it is the same command and refused in the same way
    case readSectorsNoRetry = 0x21
    /// 8.23
    case packet = 0xA0
    /// 8.16
    case identifyPacketDevice = 0xA1
    /// 8.15, only to be refused
    case identifyDevice = 0xEC
    /// 8.46
    case setFeatures = 0xEF
}

/// Interrupt reason, which the sector count register is while a packet is carried out (ATA/ATAPI-6
/// 7.14 with 9.8, SFF-8020i table 5): bit 0 command or data, bit 1 direction.
enum InterruptReason {
    static let mask: UInt8 = 0x07
    /// The packet is wanted.
    static let command: UInt8 = 1
    /// Data comes from the host.
    static let dataOut: UInt8 = 0
    /// Data goes to the host.
    static let dataIn: UInt8 = 2
    /// The command has ended.
    static let status: UInt8 = 3
}

extension Signature {
    /// A drive with the PACKET feature set (ATA/ATAPI-6 9.12); it is not ready until it is asked
    /// (9.3).
    package static let packet = Signature(
        count: 1, lbaLow: 1, lbaMid: 0x14, lbaHigh: 0xEB, status: 0)
}
