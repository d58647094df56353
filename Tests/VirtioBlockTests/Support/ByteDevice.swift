import GuestMemory
@testable import TestSupport

/// A device whose registers are bytes that keep what is written.
final class ByteDevice: MMIODevice {
    private let content: Locked<[UInt8]>

    init(size: Int) { content = Locked([UInt8](repeating: 0, count: size)) }

    var bytes: [UInt8] { content.withLock { $0 } }

    func read(offset: UInt64, width: Int) -> UInt64? {
        content.withLock { content in
            (0..<width).reduce(0) { $0 | UInt64(content[Int(offset) + $1]) << UInt64(8 * $1) }
        }
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        content.withLock { content in
            for index in 0..<width {
                content[Int(offset) + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
            }
        }
        return true
    }
}
