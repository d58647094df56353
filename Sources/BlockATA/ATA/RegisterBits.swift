/// Status register (ATA/ATAPI-6 7.15).
package enum Status {
    /// 7.15.4: the drive has the registers; everything else is meaningless.
    package static let busy: UInt8 = 1 << 7
    /// 7.15.5
    package static let ready: UInt8 = 1 << 6
    /// Seek complete: bit 4 as in ATA/ATAPI-3 7.2.13, command specific since.
    package static let seekComplete: UInt8 = 1 << 4
    /// 7.15.6
    package static let dataRequest: UInt8 = 1 << 3
    /// 7.15.3
    package static let error: UInt8 = 1 << 0

    /// A command has ended well.
    package static let good = ready | seekComplete
    /// A command has ended with an error.
    package static let failed = ready | error
    /// The drive wants data moved: by the host, or by the bus master once it is started.
    package static let wantsData = good | dataRequest
    /// A command is being carried out.
    package static let working = busy | good
}

/// Error register (ATA/ATAPI-6 7.9, and the error outputs of each command in clause 8).
package enum ErrorBits {
    /// UNC: data could not be read (8.34.6).
    package static let uncorrectable: UInt8 = 1 << 6
    /// IDNF: an address outside the disk (8.34.6).
    package static let idNotFound: UInt8 = 1 << 4
    /// ABRT (7.9.3).
    package static let aborted: UInt8 = 1 << 2
    /// The diagnostic code of a device that works (8.12, table 21), also after a reset (9.1).
    package static let passed: UInt8 = 1
}

/// Device register (ATA/ATAPI-6 7.7).
package enum DeviceRegister {
    /// Bits 7 and 5, obsolete, set by every drive and host since ATA-1 7.2.8.
    package static let alwaysSet: UInt8 = 0xA0
    /// The address is an LBA (6.2).
    package static let lba: UInt8 = 1 << 6
    /// DEV (7.7.3).
    package static let device: UInt8 = 1 << 4
    /// The head of a CHS address or bits 27:24 of an LBA (6.2).
    package static let head: UInt8 = 0xF
}

/// Device control register (ATA/ATAPI-6 7.8).
package enum DeviceControl {
    /// HOB: reads show what was written before the last time (7.8.3).
    package static let highOrderByte: UInt8 = 1 << 7
    /// SRST (7.8.3).
    package static let softwareReset: UInt8 = 1 << 2
    /// nIEN: no interrupts (7.8.3).
    package static let interruptsOff: UInt8 = 1 << 1
}

/// The signature that a drive shows after a reset (ATA/ATAPI-6 9.12).
package struct Signature {
    package let count: UInt8
    package let lbaLow: UInt8
    package let lbaMid: UInt8
    package let lbaHigh: UInt8
    /// What the status register shows with it.
    package let status: UInt8

    /// A drive without the PACKET feature set.
    package static let disk = Signature(
        count: 1, lbaLow: 1, lbaMid: 0, lbaHigh: 0, status: Status.good)
}
