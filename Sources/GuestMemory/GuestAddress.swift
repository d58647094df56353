/// The number of a byte on a guest's bus: a guest physical address, or what a device behind an
/// IOMMU uses in place of one.
///
/// It has a type of its own so that an offset in an image, an offset in a transfer, and an address
/// cannot be taken for each other: a program that confuses them does not compile. Integer literals
/// are addresses where an address is expected.
///
/// A guest chooses addresses, so no operation traps: `&+` and `&-` work modulo 2^64, and
/// ``advanced(by:)`` returns `nil` past the last address.
@frozen
public struct GuestAddress: Sendable, Hashable {
    /// The address as a number.
    public let rawValue: UInt64

    /// The address with this number.
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The address with this number on a bus of 32 bits, such as PCI devices use.
    @inlinable public init(_ rawValue: UInt32) { self.rawValue = UInt64(rawValue) }

    /// The last address: 2^64 - 1.
    @inlinable public static var max: Self { Self(UInt64.max) }

    /// The address `count` bytes behind this one; `nil` when that is past the last address.
    @inlinable public func advanced(by count: UInt64) -> Self? {
        let (sum, overflow) = rawValue.addingReportingOverflow(count)
        return overflow ? nil : Self(sum)
    }

    /// How many bytes this address is behind `base`, modulo 2^64.
    @inlinable public func offset(from base: Self) -> UInt64 { rawValue &- base.rawValue }

    /// The address `count` bytes behind `address`, modulo 2^64.
    @inlinable public static func &+ (address: Self, count: UInt64) -> Self {
        Self(address.rawValue &+ count)
    }

    /// The address `count` bytes before `address`, modulo 2^64.
    @inlinable public static func &- (address: Self, count: UInt64) -> Self {
        Self(address.rawValue &- count)
    }

    /// Moves `address` on by `count` bytes, modulo 2^64.
    @inlinable public static func &+= (address: inout Self, count: UInt64) {
        address = address &+ count
    }
}

extension GuestAddress: Comparable {
    /// Whether `left` comes before `right`.
    @inlinable public static func < (left: Self, right: Self) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension GuestAddress: ExpressibleByIntegerLiteral {
    /// The address that a program names.
    @inlinable public init(integerLiteral value: UInt64) { self.init(value) }
}

extension GuestAddress: CustomStringConvertible {
    /// Hexadecimal, behind 0x.
    public var description: String { "0x" + String(rawValue, radix: 16) }
}
