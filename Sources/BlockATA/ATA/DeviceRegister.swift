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
