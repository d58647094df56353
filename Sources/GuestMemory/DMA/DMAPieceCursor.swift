import BlockHost
import Glibc

/// Where a device that moves bytes itself is in a ``DMAPiece``: the only way in which a device copies guest
/// memory, since the memory can go away while it does.
///
/// For data that the device has in a buffer of its own, and does not give to the host. See
/// ``DMATransfer/copyPieces(from:_:)`` when the buffer has all of the transfer.
public struct DMAPieceCursor {
    private var vectors: UnsafeBufferPointer<iovec>?
    private var index = 0
    private var offset = 0
    /// Bytes moved so far.
    public private(set) var done: UInt64 = 0
    /// Bytes in the piece.
    public private(set) var length: UInt64 = 0

    /// A piece of no bytes.
    public init() {}

    /// The start of a piece.
    public init(_ piece: DMAPiece) { self.init(piece.vectors, length: piece.length) }

    init(_ vectors: UnsafeBufferPointer<iovec>, length: UInt64) {
        self.vectors = vectors
        self.length = length
    }

    /// Whether all bytes of the piece have been moved.
    public var isAtEnd: Bool { done == length }

    /// Moves up to `count` bytes, fewer only at the end of the piece, between `bytes` and the piece:
    /// into guest memory for ``DMADirection/fromDevice``, out of it otherwise. Returns how many it were;
    /// `nil` when the memory has gone: ``done`` bytes have been moved, and
    /// ``DMATransfer/memoryFailed(transferred:)`` is the answer to the piece.
    public mutating func move(
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

extension DMATransfer {
    /// Takes the steps of a transfer from `step` on for a device whose data is in `buffer`, from the start
    /// of the transfer: copies each piece and answers it. The step that is left is
    /// ``DMAStep/wait``, or ``DMAStep/done(_:)``.
    ///
    /// Bytes of the transfer behind the end of `buffer` stay where they are.
    public func copyPieces(
        from step: DMAStep, _ buffer: UnsafeMutableRawBufferPointer
    ) -> DMAStep {
        var step = step
        while case .submit(let piece) = step {
            var cursor = DMAPieceCursor(piece)
            let start = Int(clamping: piece.offset.rawValue)
            if let base = buffer.baseAddress, start < buffer.count,
                cursor.move(base + start, count: buffer.count - start, direction) == nil
            {
                step = memoryFailed(transferred: cursor.done)
            } else {
                step = pieceEnded(transferred: piece.length, isSuccess: true)
            }
        }
        return step
    }
}
