import GuestMemory

@testable import TestSupport

/// A device that is a row of bytes and remembers every access.
final class ByteStore: MMIODevice {
    /// An access to the device.
    struct Access: Equatable, Sendable {
        var offset: UInt64
        var width: Int
        /// What was written; `nil` for a read.
        var written: UInt64?
    }

    private struct State {
        var bytes: [UInt8]
        var accesses: [Access] = []
        var refused: Range<UInt64>
    }

    private let state: Locked<State>
    private let keepsAccesses: Bool

    /// A row of zeroes. Accesses that touch `refused` are refused.
    init(size: Int, refused: Range<UInt64> = 0..<0, keepsAccesses: Bool = true) {
        state = Locked(State(bytes: [UInt8](repeating: 0, count: size), refused: refused))
        self.keepsAccesses = keepsAccesses
    }

    /// What it holds.
    var bytes: [UInt8] {
        get { state.withLock { $0.bytes } }
        set { state.withLock { $0.bytes = newValue } }
    }

    /// Every access that was not refused, in order.
    var accesses: [Access] { state.withLock { $0.accesses } }

    /// Refuses other accesses than so far.
    func refuse(_ range: Range<UInt64>) { state.withLock { $0.refused = range } }

    func read(offset: UInt64, width: Int) -> UInt64? {
        state.withLock { state in
            guard !state.refused.overlaps(offset..<offset + UInt64(width)) else { return nil }
            if keepsAccesses { state.accesses.append(Access(offset: offset, width: width)) }
            return state.bytes[Int(offset)..<Int(offset) + width].reversed()
                .reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        state.withLock { state in
            guard !state.refused.overlaps(offset..<offset + UInt64(width)) else { return false }
            if keepsAccesses {
                state.accesses.append(Access(offset: offset, width: width, written: value))
            }
            for index in 0..<width {
                state.bytes[Int(offset) + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
            }
            return true
        }
    }
}
