/// A register of two bytes: each write moves the previous byte to where HOB shows it (ATA/ATAPI-6
/// 6.20). The members are `@usableFromInline` as those of ``TaskFile`` are.
@usableFromInline package struct TwoByteRegister {
    /// What was written last.
    @usableFromInline package var current: UInt8
    /// What was there before.
    @usableFromInline package var previous: UInt8

    package init(_ current: UInt8 = 0, _ previous: UInt8 = 0) {
        self.current = current
        self.previous = previous
    }

    /// Both bytes, the previous one high.
    @usableFromInline package var word: UInt16 { UInt16(previous) << 8 | UInt16(current) }

    @inlinable package mutating func push(_ value: UInt8) {
        previous = current
        current = value
    }
}
