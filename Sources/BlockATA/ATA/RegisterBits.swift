/// Status register (ATA/ATAPI-6 7.15).
@usableFromInline package enum Status {
    /// 7.15.4: the drive has the registers; everything else is meaningless.
    @inlinable package static var busy: UInt8 { 1 << 7 }
    /// 7.15.5
    @inlinable package static var ready: UInt8 { 1 << 6 }
    /// Seek complete: bit 4 as in ATA/ATAPI-3 7.2.13, command specific since.
    @inlinable package static var seekComplete: UInt8 { 1 << 4 }
    /// 7.15.6
    @inlinable package static var dataRequest: UInt8 { 1 << 3 }
    /// 7.15.3
    @inlinable package static var error: UInt8 { 1 << 0 }

    /// A command has ended well.
    @inlinable package static var good: UInt8 { ready | seekComplete }
    /// A command has ended with an error.
    @inlinable package static var failed: UInt8 { ready | error }
    /// The drive wants data moved: by the host, or by the bus master once it is started.
    @inlinable package static var wantsData: UInt8 { good | dataRequest }
    /// A command is being carried out.
    @inlinable package static var working: UInt8 { busy | good }
}

/// Error register (ATA/ATAPI-6 7.9, and the error outputs of each command in clause 8).
@usableFromInline package enum ErrorBits {
    /// UNC: data could not be read (8.34.6).
    @inlinable package static var uncorrectable: UInt8 { 1 << 6 }
    /// IDNF: an address outside the disk (8.34.6).
    @inlinable package static var idNotFound: UInt8 { 1 << 4 }
    /// ABRT (7.9.3).
    @inlinable package static var aborted: UInt8 { 1 << 2 }
    /// The diagnostic code of a device that works (8.12, table 21), also after a reset (9.1).
    @inlinable package static var passed: UInt8 { 1 }
}

/// Device register (ATA/ATAPI-6 7.7).
@usableFromInline package enum DeviceRegister {
    /// Bits 7 and 5, obsolete, set by every drive and host since ATA-1 7.2.8.
    @inlinable package static var alwaysSet: UInt8 { 0xA0 }
    /// The address is an LBA (6.2).
    @inlinable package static var lba: UInt8 { 1 << 6 }
    /// DEV (7.7.3).
    @inlinable package static var device: UInt8 { 1 << 4 }
    /// The head of a CHS address or bits 27:24 of an LBA (6.2).
    @inlinable package static var head: UInt8 { 0xF }
}

/// Device control register (ATA/ATAPI-6 7.8).
@usableFromInline package enum DeviceControl {
    /// HOB: reads show what was written before the last time (7.8.3).
    @inlinable package static var highOrderByte: UInt8 { 1 << 7 }
    /// SRST (7.8.3).
    @inlinable package static var softwareReset: UInt8 { 1 << 2 }
    /// nIEN: no interrupts (7.8.3).
    @inlinable package static var interruptsOff: UInt8 { 1 << 1 }
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
