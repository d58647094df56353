import GuestMemory

/// Addresses that a test computes, as with numbers: what overflows stops the test.
extension GuestAddress {
    /// Of a number that a test counts in.
    init(_ value: Int) { self.init(UInt64(value)) }

    static func + (address: Self, count: UInt64) -> Self { Self(address.rawValue + count) }

    static func - (address: Self, count: UInt64) -> Self { Self(address.rawValue - count) }

    static func * (count: Self, size: UInt64) -> Self { Self(count.rawValue * size) }

    static func << (address: Self, shift: Int) -> Self { Self(address.rawValue << UInt64(shift)) }
}
