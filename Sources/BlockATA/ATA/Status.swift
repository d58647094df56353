/// Status register (ATA/ATAPI-6 7.15). Like the other registers below, it is `@usableFromInline` so
/// that its bits are constants in other targets too.
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
    /// Data is to be moved: by the guest, or by the bus master once it is started.
    @inlinable package static var wantsData: UInt8 { good | dataRequest }
    /// A command is being carried out.
    @inlinable package static var working: UInt8 { busy | good }
}
