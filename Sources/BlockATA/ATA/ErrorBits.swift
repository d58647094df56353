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
