/// Ports of the primary channel in compatibility mode (ATA/ATAPI-6 7.2; the addresses: PCI IDE Controller
/// Specification 1.0, 2.1).
enum IDEPort {
    static let data: UInt16 = 0x1F0
    /// When it is read.
    static let error: UInt16 = 0x1F1
    /// When it is written.
    static let features: UInt16 = 0x1F1
    static let count: UInt16 = 0x1F2
    static let lbaLow: UInt16 = 0x1F3
    static let lbaMid: UInt16 = 0x1F4
    static let lbaHigh: UInt16 = 0x1F5
    static let device: UInt16 = 0x1F6
    /// When it is read; that lowers the interrupt.
    static let status: UInt16 = 0x1F7
    /// When it is written.
    static let command: UInt16 = 0x1F7
    /// When it is read.
    static let alternateStatus: UInt16 = 0x3F6
    /// When it is written.
    static let deviceControl: UInt16 = 0x3F6
}

/// What the device register has to select a drive (ATA/ATAPI-6 7.7).
enum DeviceSelect {
    static let master: UInt8 = 0xA0
    static let slave: UInt8 = 0xB0
    /// LBA: the address is the number of a sector.
    static let lba: UInt8 = 0x40
}
