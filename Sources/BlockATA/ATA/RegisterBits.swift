/// Status register (ATA/ATAPI-6 7.15).
enum Status {
    /// 7.15.4: the drive has the registers; everything else is meaningless.
    static let busy: UInt8 = 1 << 7
    /// 7.15.5
    static let ready: UInt8 = 1 << 6
    /// Seek complete: bit 4 as in ATA/ATAPI-3 7.2.13, command specific since.
    static let seekComplete: UInt8 = 1 << 4
    /// 7.15.6
    static let dataRequest: UInt8 = 1 << 3
    /// 7.15.3
    static let error: UInt8 = 1 << 0

    /// A command has ended well.
    static let good = ready | seekComplete
    /// A command has ended with an error.
    static let failed = ready | error
    /// The drive wants data moved: by the host, or by the bus master once it is started.
    static let wantsData = good | dataRequest
    /// A command is being carried out.
    static let working = busy | good
}

/// Error register (ATA/ATAPI-6 7.9, and the error outputs of each command in clause 8).
enum ErrorBits {
    /// UNC: data could not be read (8.34.6).
    static let uncorrectable: UInt8 = 1 << 6
    /// IDNF: an address outside the disk (8.34.6).
    static let idNotFound: UInt8 = 1 << 4
    /// ABRT (7.9.3).
    static let aborted: UInt8 = 1 << 2
    /// The diagnostic code of a device that works (8.12, table 21), also after a reset (9.1).
    static let passed: UInt8 = 1
}

/// Device register (ATA/ATAPI-6 7.7).
enum DeviceRegister {
    /// Bits 7 and 5, obsolete, set by every drive and host since ATA-1 7.2.8.
    static let alwaysSet: UInt8 = 0xA0
    /// The address is an LBA (6.2).
    static let lba: UInt8 = 1 << 6
    /// DEV (7.7.3).
    static let device: UInt8 = 1 << 4
    /// The head of a CHS address or bits 27:24 of an LBA (6.2).
    static let head: UInt8 = 0xF
}

/// Device control register (ATA/ATAPI-6 7.8).
enum DeviceControl {
    /// HOB: reads show what was written before the last time (7.8.3).
    static let highOrderByte: UInt8 = 1 << 7
    /// SRST (7.8.3).
    static let softwareReset: UInt8 = 1 << 2
    /// nIEN: no interrupts (7.8.3).
    static let interruptsOff: UInt8 = 1 << 1
}

/// The signature that a drive shows after a reset (ATA/ATAPI-6 9.12).
struct Signature {
    let count: UInt8
    let lbaLow: UInt8
    let lbaMid: UInt8
    let lbaHigh: UInt8
    /// What the status register shows with it.
    let status: UInt8

    /// A drive without the PACKET feature set.
    static let disk = Signature(
        count: 1, lbaLow: 1, lbaMid: 0, lbaHigh: 0, status: Status.good)
}
