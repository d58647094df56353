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
}

extension BlockCompletion {
    /// Whether the memory is to blame and not the image: it has gone, as memory that another process
    /// shares can (`GuestRAM.surviveTruncation()`). No error policy applies then:
    /// a request made again would fail again.
    public var isMemoryFault: Bool { errno == EFAULT }
}
