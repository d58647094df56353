import BlockHost
import Glibc
import GuestMemory

/// Where a drive that moves bytes itself is in a ``DMAPiece``: for what is made up in a buffer, and
/// not read from an image.
struct PieceCursor {
    private var vectors: UnsafeBufferPointer<iovec>?
    private var index = 0
    private var offset = 0
    /// Bytes moved so far.
    private(set) var done: UInt64 = 0
    /// Bytes in the piece.
    private(set) var length: UInt64 = 0

    init() {}

    init(_ piece: DMAPiece) {
        vectors = piece.vectors
        length = piece.length
    }

    var isAtEnd: Bool { done == length }

    /// Moves up to `count` bytes between `bytes` and the piece; how many it were. `nil` when the memory
    /// has gone: ``done`` bytes have been moved.
    mutating func move(
        _ bytes: UnsafeMutableRawPointer, count: Int, _ direction: DMADirection
    ) -> Int? {
        guard let vectors else { return 0 }
        var moved = 0
        while moved < count && index < vectors.count {
            let vector = vectors[index]
            let step = min(count &- moved, vector.iov_len &- offset)
            if step > 0, let base = vector.iov_base {
                let outcome =
                    switch direction {
                    case .fromDevice:
                        VolatileMemory.copy(to: base + offset, from: bytes + moved, count: step)
                    case .toDevice:
                        VolatileMemory.copy(to: bytes + moved, from: base + offset, count: step)
                    }
                if outcome == .lost { return nil }
            }
            moved &+= step
            done &+= UInt64(step)
            offset &+= step
            if offset == vector.iov_len {
                index &+= 1
                offset = 0
            }
        }
        return moved
    }
}
