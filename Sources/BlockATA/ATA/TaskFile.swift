/// The command block registers that a host writes parameters to (ATA/ATAPI-6 7.2).
package struct TaskFile {
    /// 7.10; its previous content is what HOB shows in place of the error register.
    package var features = TwoByteRegister()
    /// 7.14
    package var count = TwoByteRegister()
    /// 7.12
    package var lbaLow = TwoByteRegister()
    /// 7.13
    package var lbaMid = TwoByteRegister()
    /// 7.11
    package var lbaHigh = TwoByteRegister()
    /// 7.7
    package var device: UInt8 = DeviceRegister.alwaysSet

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

/// A register two bytes deep: each write pushes the byte that was there into the place that HOB
/// shows (ATA/ATAPI-6 6.20).
package struct TwoByteRegister {
    /// What was written last.
    package var current: UInt8
    /// What was there before.
    package var previous: UInt8

    package init(_ current: UInt8 = 0, _ previous: UInt8 = 0) {
        self.current = current
        self.previous = previous
    }

    /// Both bytes, the previous one high.
    package var word: UInt16 { UInt16(previous) << 8 | UInt16(current) }

    package mutating func push(_ value: UInt8) {
        previous = current
        current = value
    }
}
