// Whole values that registers have at the usual moments of a command. They are written down here and not
// taken from `BlockATA`, so that the tests find a wrong one there.

/// Status and alternate status (ATA/ATAPI-6 7.15).
enum DriveStatus {
    /// DRDY and DSC: no command is under way, and the last one has succeeded.
    static let idle: UInt8 = 0x50
    /// DRDY, DSC and DRQ: the drive waits for the host to move data, or for the bus master.
    static let wantsData: UInt8 = 0x58
    /// DRDY and ERR: the last command has failed; the error register says why.
    static let failed: UInt8 = 0x41
    /// BSY, DRDY and DSC: a command is being carried out, or kept by an error policy.
    static let working: UInt8 = 0xD0
    /// BSY alone: a reset lasts.
    static let busy: UInt8 = 0x80
    /// DRQ alone, as a mask.
    static let dataRequestBit: UInt8 = 0x08
    /// ERR alone, as a mask.
    static let errorBit: UInt8 = 0x01
}

/// The error register of a disk (ATA/ATAPI-6 7.9).
enum DriveError {
    /// ABRT
    static let aborted: UInt8 = 0x04
    /// IDNF
    static let addressNotFound: UInt8 = 0x10
    /// UNC
    static let uncorrectable: UInt8 = 0x40
}

/// Bits 2:0 of the bus master's status register (SFF-8038i 3.0).
enum BusMasterStatus {
    static let active: UInt8 = 1
    /// The drive has raised its interrupt since the bit was cleared.
    static let interrupt: UInt8 = 4
    static let activeAndInterrupt: UInt8 = 5
    /// The interrupt of a command whose transfer met a fault of memory.
    static let interruptAndError: UInt8 = 6
}
