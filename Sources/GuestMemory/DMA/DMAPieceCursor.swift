import BlockHost
import Glibc

// @safe: it moves no byte outside the piece, whose memory the transfer keeps; the device's buffer
// is a pointer that its caller answers for.
/// The position in a ``DMAPiece`` of a device that copies the bytes itself. A device must copy
/// guest memory with a cursor, because the memory can be lost during the copy.
///
/// It is for data in a buffer of the device, which no host request transfers. If the buffer has all
/// data of the transfer, ``DMATransfer/copyPieces(from:_:)`` is simpler.
@safe public struct DMAPieceCursor {
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
    public init(_ piece: DMAPiece) { unsafe self.init(piece.vectors, length: piece.length) }

    init(_ vectors: UnsafeBufferPointer<iovec>, length: UInt64) {
        unsafe self.vectors = unsafe vectors
        self.length = length
    }

    /// Whether all bytes of the piece have been moved.
    public var isAtEnd: Bool { done == length }

    /// Copies up to `count` bytes, fewer only at the end of the piece, between `bytes` and the
    /// piece: into guest memory for ``DMADirection/fromDevice``, out of it for
    /// ``DMADirection/toDevice``. Returns the number of bytes. Returns `nil` if memory was lost:
    /// then ``done`` bytes have been copied, and the answer to the piece is
    /// ``DMATransfer/memoryFailed(transferred:)``.
    public mutating func move(
        _ bytes: UnsafeMutableRawPointer, count: Int, _ direction: DMADirection
    ) -> Int? {
        guard let vectors = unsafe vectors else { return 0 }
        var moved = 0
        while moved < count && index < vectors.count {
            let vector = unsafe vectors[index]
            let step = unsafe min(count &- moved, vector.iov_len &- offset)
            if step > 0, let base = unsafe vector.iov_base {
                let outcome =
                    switch direction {
                    case .fromDevice:
                        unsafe VolatileMemory.copy(
                            to: base + offset, from: bytes + moved, count: step)
                    case .toDevice:
                        unsafe VolatileMemory.copy(
                            to: bytes + moved, from: base + offset, count: step)
                    }
                if outcome == .lost { return nil }
            }
            moved &+= step
            done &+= UInt64(step)
            offset &+= step
            if unsafe offset == vector.iov_len {
                index &+= 1
                offset = 0
            }
        }
        return moved
    }
}

extension DMATransfer {
    /// Carries out the steps of a transfer, beginning with `step`, for a device whose data is in
    /// `buffer`: copies each piece and answers it. The first byte of `buffer` is the first byte of
    /// the transfer. Returns the step that is left: ``DMAStep/wait`` or ``DMAStep/done(_:)``.
    ///
    /// Bytes of the transfer behind the end of `buffer` are not copied.
    public func copyPieces(
        from step: DMAStep, _ buffer: UnsafeMutableRawBufferPointer
    ) -> DMAStep {
        var step = step
        while case .submit(let piece) = step {
            var cursor = DMAPieceCursor(piece)
            let start = Int(clamping: piece.offset.rawValue)
            if let base = buffer.baseAddress, start < buffer.count,
                unsafe cursor.move(base + start, count: buffer.count - start, direction) == nil
            {
                step = memoryFailed(transferred: cursor.done)
            } else {
                step = pieceEnded(transferred: piece.length, isSuccess: true)
            }
        }
        return step
    }
}
