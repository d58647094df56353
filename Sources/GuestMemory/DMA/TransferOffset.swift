/// The number of a byte in one DMA transfer: 0 is the first byte that the list of the transfer
/// names.
///
/// It has a type of its own so that it cannot be taken for an offset in an image. A device that
/// transfers to or from an image adds ``rawValue`` to the offset where the transfer begins there.
@frozen
public struct TransferOffset: Sendable, Hashable {
    /// The offset in bytes. The offsets of a transfer are below 2^63.
    public let rawValue: UInt64

    /// The byte with this number.
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The offset `count` bytes behind `offset`, modulo 2^64.
    @inlinable public static func &+ (offset: Self, count: UInt64) -> Self {
        Self(offset.rawValue &+ count)
    }

    /// How many bytes `left` is behind `right`, modulo 2^64.
    @inlinable public static func &- (left: Self, right: Self) -> UInt64 {
        left.rawValue &- right.rawValue
    }
}

extension TransferOffset: Comparable {
    /// Whether `left` comes before `right`.
    @inlinable public static func < (left: Self, right: Self) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension TransferOffset: ExpressibleByIntegerLiteral {
    /// The offset that a program names.
    @inlinable public init(integerLiteral value: UInt64) { self.init(value) }
}
