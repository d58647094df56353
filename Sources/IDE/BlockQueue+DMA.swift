public import BlockIO
import Glibc
public import GuestMemory

// The bridge between guest memory and images: a transfer is carried out by a queue.
extension BlockQueue {
    /// Carries out a step of a transfer whose data is at byte `offset` of the image. Returns the
    /// result when the transfer is over; otherwise a completion goes to
    /// ``end(_:at:durability:)``, or the transfer waits for its mapper's `resume`.
    ///
    /// The transfer itself is the request's `userData`: see ``BlockCompletion/transfer``.
    @inline(__always)
    public func perform(
        _ step: DMAStep, of transfer: DMATransfer, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) -> DMAResult? {
        switch step {
        case .submit(let piece):
            let tag = UInt(bitPattern: Unmanaged.passUnretained(transfer).toOpaque())
            let start = offset &+ piece.offset.rawValue
            switch transfer.direction {
            case .fromDevice: readv(piece.vectors, at: start, userData: tag)
            case .toDevice: writev(piece.vectors, at: start, durability: durability, userData: tag)
            }
            return nil
        case .wait: return nil
        case .done(let result): return result
        }
    }

    /// Answers the completion of a piece and carries out the step after it.
    public func end(
        _ completion: BlockCompletion, of transfer: DMATransfer, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) -> DMAResult? {
        let step =
            completion.isMemoryFault
            ? transfer.memoryFailed(transferred: completion.transferred)
            : transfer.pieceEnded(
                transferred: completion.transferred, isSuccess: completion.isSuccess)
        return perform(step, of: transfer, at: offset, durability: durability)
    }
}

extension BlockCompletion {
    /// Whether the memory is to blame and not the image: it has gone, as memory that another process
    /// shares can (``GuestMemory/GuestRAM/surviveTruncation()``).
    var isMemoryFault: Bool { errno == EFAULT }

    /// The transfer whose piece this completes, for requests made by
    /// ``BlockQueue/perform(_:of:at:durability:)`` and only those.
    public var transfer: DMATransfer {
        Unmanaged<DMATransfer>.fromOpaque(UnsafeRawPointer(bitPattern: userData).unsafelyUnwrapped)
            .takeUnretainedValue()
    }
}
