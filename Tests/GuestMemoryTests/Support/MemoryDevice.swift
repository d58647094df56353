import Glibc
import GuestMemory

/// A device whose medium is an array, and which carries out pieces at once, their last vector
/// first: no order may be relied on.
struct MemoryDevice {
    /// Its content; transfers begin at its start.
    var medium: [UInt8]
    /// Fails the piece with the byte at this position of the transfer, which and all behind it stay
    /// where they were.
    var failsAt: UInt64?
    /// What the pieces of the last transfer were.
    private(set) var pieces: [Piece] = []

    /// A piece as it was submitted.
    struct Piece {
        var offset: UInt64
        var length: UInt64
        var vectors: [iovec]
    }

    /// A device with this content.
    init(_ medium: [UInt8]) { self.medium = medium }

    /// Carries out a transfer from its first to its last step; `nil` when it has to wait, which
    /// nobody else could end.
    mutating func carryOut(
        _ list: borrowing ScatterGatherList, _ direction: DMADirection, on mapper: DMAMapper,
        alignment: Int = 1, unit: Int = 1
    ) -> DMAResult? {
        pieces = []
        var (transfer, step) = mapper.begin(list, direction, alignment: alignment, unit: unit)
        while true {
            switch step {
            case .submit(let piece): step = carryOut(piece, of: transfer)
            case .wait:
                _ = transfer.cancel()
                return nil
            case .done(let result): return result
            }
        }
    }

    /// Carries out one piece, and answers it.
    mutating func carryOut(_ piece: DMAPiece, of transfer: DMATransfer) -> DMAStep {
        pieces.append(
            Piece(
                offset: piece.offset.rawValue, length: piece.length, vectors: Array(piece.vectors)))
        let start = piece.offset.rawValue
        let end = start + piece.length
        let limit = Swift.min(failsAt ?? end, end)
        var position = end
        medium.withUnsafeMutableBytes { medium in
            for vector in piece.vectors.reversed() {
                position -= UInt64(vector.iov_len)
                guard position < limit else { continue }
                let count = Swift.min(vector.iov_len, Int(limit - position))
                let here = medium.baseAddress! + Int(position)
                switch transfer.direction {
                case .toDevice: memcpy(here, vector.iov_base, count)
                case .fromDevice: memcpy(vector.iov_base, here, count)
                }
            }
        }
        let done = limit > start ? limit - start : 0
        return transfer.pieceEnded(transferred: done, isSuccess: limit == end)
    }

    /// The iovecs of all pieces.
    var vectors: [iovec] { pieces.flatMap(\.vectors) }
}
