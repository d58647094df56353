public import BlockIO
import Glibc
public import GuestMemory

// The bridge between guest memory and images: a transfer is carried out by a queue.
extension BlockQueue {
    /// Makes a request of a piece of a transfer: a read of the image for a transfer
    /// `DMADirection.fromDevice`, a write otherwise. `offset` is where in the image the
    /// piece begins, in bytes.
    @inlinable
    @inline(__always)
    public func submit(
        _ piece: DMAPiece, _ direction: DMADirection, at offset: UInt64,
        durability: WriteDurability = .volatile, userData: UInt
    ) {
        switch direction {
        case .fromDevice: readv(piece.vectors, at: offset, userData: userData)
        case .toDevice:
            writev(piece.vectors, at: offset, durability: durability, userData: userData)
        }
    }

    /// Carries out a step of a transfer whose data is at byte `offset` of the image. Returns the
    /// result when the transfer is over; otherwise a completion goes to
    /// ``end(_:of:at:durability:)``, or the transfer waits for its mapper's `resume`.
    ///
    /// The transfer itself is the request's `userData`: see ``BlockIO/BlockCompletion/transfer``. A
    /// device that can be reset, stopped or asked to run a request again uses a ``HostRequest``.
    @inlinable
    @inline(__always)
    public func perform(
        _ step: DMAStep, of transfer: DMATransfer, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) -> DMAResult? {
        switch step {
        case .submit(let piece):
            submit(
                piece, transfer.direction, at: offset &+ piece.offset.rawValue,
                durability: durability,
                userData: UInt(bitPattern: Unmanaged.passUnretained(transfer).toOpaque()))
            return nil
        case .wait: return nil
        case .done(let result): return result
        }
    }

    /// Answers the completion of a piece and carries out the step after it.
    @inlinable
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
    /// shares can (`GuestRAM.surviveTruncation()`). No error policy applies then:
    /// a request made again would fail again.
    public var isMemoryFault: Bool { errno == EFAULT }

    /// The transfer whose piece this completes, for requests made by
    /// ``BlockIO/BlockQueue/perform(_:of:at:durability:)`` and only those.
    @inlinable public var transfer: DMATransfer {
        Unmanaged<DMATransfer>.fromOpaque(UnsafeRawPointer(bitPattern: userData).unsafelyUnwrapped)
            .takeUnretainedValue()
    }
}
