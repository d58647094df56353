/// Registers of the configuration space (PCI Local Bus 3.0, 6.1). The numbers are written down here and not
/// taken from `BlockPCI`, so that the tests find a wrong one there.
enum PCIOffset {
    /// Vendor ID and device ID, two bytes each.
    static let identity = 0x00
    static let command = 0x04
    static let status = 0x06
    static let revision = 0x08
    static let programmingInterface = 0x09
    /// Subclass and base class, a byte each.
    static let classCode = 0x0A
    static let headerType = 0x0E
    /// The first of six base address registers of four bytes.
    static let firstBAR = 0x10
    /// The fifth, where an IDE function has its bus master (SFF-8038i).
    static let busMasterBAR = 0x20
    static let interruptPin = 0x3D
}

/// Bits of the command register (PCI Local Bus 3.0, 6.2.2).
enum PCICommandBits {
    static let io: UInt16 = 1 << 0
    static let memory: UInt16 = 1 << 1
    static let busMaster: UInt16 = 1 << 2
    static let interruptDisable: UInt16 = 1 << 10
}

/// Bits of the first byte of the status register (PCI Local Bus 3.0, 6.2.3).
enum PCIStatusBits {
    static let interrupt: UInt8 = 1 << 3
    static let capabilities: UInt8 = 1 << 4
    static let fastBackToBack: UInt8 = 1 << 7
}

/// Ports of configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2).
enum PCIPort {
    static let address: UInt16 = 0xCF8
    static let data: UInt16 = 0xCFC
}
