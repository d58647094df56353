/// The command block registers that a guest writes parameters to (ATA/ATAPI-6 7.2). The members are
/// `@usableFromInline` so that a carrier in another target accesses them without a call.
@usableFromInline package struct TaskFile {
    /// 7.10; its previous content is what HOB shows in place of the error register.
    @usableFromInline package var features = TwoByteRegister()
    /// 7.14
    @usableFromInline package var count = TwoByteRegister()
    /// 7.12
    @usableFromInline package var lbaLow = TwoByteRegister()
    /// 7.13
    @usableFromInline package var lbaMid = TwoByteRegister()
    /// 7.11
    @usableFromInline package var lbaHigh = TwoByteRegister()
    /// 7.7
    @usableFromInline package var device: UInt8 = DeviceRegister.alwaysSet

    package init() {}

    /// The address of a 48-bit command (6.20).
    package var address48: UInt64 {
        var address = UInt64(lbaLow.current) | UInt64(lbaMid.current) << 8
        address |= UInt64(lbaHigh.current) << 16 | UInt64(lbaLow.previous) << 24
        address |= UInt64(lbaMid.previous) << 32 | UInt64(lbaHigh.previous) << 40
        return address
    }

    /// The address of a 28-bit command in LBA mode (6.2.2).
    package var address28: UInt64 {
        address48 & 0xFF_FFFF | UInt64(device & DeviceRegister.head) << 24
    }

    package mutating func set48(_ address: UInt64) {
        lbaLow = TwoByteRegister(
            UInt8(truncatingIfNeeded: address), UInt8(truncatingIfNeeded: address >> 24))
        lbaMid = TwoByteRegister(
            UInt8(truncatingIfNeeded: address >> 8), UInt8(truncatingIfNeeded: address >> 32))
        lbaHigh = TwoByteRegister(
            UInt8(truncatingIfNeeded: address >> 16), UInt8(truncatingIfNeeded: address >> 40))
    }

    package mutating func set28(_ address: UInt64) {
        lbaLow.current = UInt8(truncatingIfNeeded: address)
        lbaMid.current = UInt8(truncatingIfNeeded: address >> 8)
        lbaHigh.current = UInt8(truncatingIfNeeded: address >> 16)
        setHead(UInt8(truncatingIfNeeded: address >> 24))
    }

    /// The low four bits of the device register.
    package mutating func setHead(_ head: UInt8) {
        device = device & ~DeviceRegister.head | head & DeviceRegister.head
    }
}
