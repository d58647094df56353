import GuestMemory
@testable import TestSupport

/// Registers that are bytes to keep, and that can never be mapped directly.
final class ByteDevice: MMIODevice {
    private let bytes: Locked<[UInt8]>

    init(size: Int) { bytes = Locked([UInt8](repeating: 0, count: size)) }

    var content: [UInt8] {
        get { bytes.withLock { $0 } }
        set { bytes.withLock { $0 = newValue } }
    }

    func read(offset: UInt64, width: Int) -> UInt64? {
        bytes.withLock { bytes in
            (0..<width).reversed().reduce(0) { $0 << 8 | UInt64(bytes[Int(offset) + $1]) }
        }
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        bytes.withLock { bytes in
            for index in 0..<width {
                bytes[Int(offset) + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
            }
        }
        return true
    }
}

/// An IOMMU that moves addresses, and knows none from a limit on.
final class Shift: AddressResolver {
    let distance: UInt64
    let limit: GuestAddress

    init(by distance: UInt64, limit: GuestAddress) {
        self.distance = distance
        self.limit = limit
    }

    func resolve(
        _ address: GuestAddress, length: UInt64, direction: DMADirection
    ) throws(GuestMemoryError) -> ResolvedRange {
        // A length of 0 is refused as not translated.
        ResolvedRange(
            address: address &+ distance,
            length: address < limit ? min(length, limit.offset(from: address)) : 0)
    }
}
