import Glibc

/// Guest memory that is mapped for a device to use, without a transfer of steps: for network cards
/// and other devices that bring their own request.
///
/// The memory stays mapped, and the map it was found on held, until ``unmap(written:)``.
public struct DMAMapping: ~Copyable {
    /// The host memory, in order.
    public let vectors: UnsafeBufferPointer<iovec>
    /// How many bytes it has.
    public let length: UInt64
    /// Alive until its mapper has it back.
    private let transfer: Unmanaged<DMATransfer>

    init(_ transfer: DMATransfer, _ piece: DMAPiece) {
        self.transfer = .passUnretained(transfer)
        vectors = piece.vectors
        length = piece.length
    }

    deinit {
        // Whoever forgot it may have let the device write all of it.
        _ = transfer.takeUnretainedValue().pieceEnded(transferred: length, isSuccess: true)
    }

    /// Gives the memory back after the device has written its first `written` bytes (`fromDevice`;
    /// otherwise they do not matter), `nil` for all: copies what was bounced of them, and marks
    /// their pages and no others.
    public consuming func unmap(written: UInt64? = nil) throws(GuestMemoryError) {
        let transfer = transfer.takeUnretainedValue()
        let length = length
        discard self
        let step = transfer.unmap(written: Swift.min(written ?? length, length))
        if case .done(let result) = step, case .fault(let error) = result.outcome { throw error }
    }
}

extension DMAMapper {
    /// Maps a list as a whole. What must bounce must fit into the bounce limit and be free now:
    /// ``GuestMemoryError/Code/bounceUnavailable`` otherwise.
    public func map(
        _ list: borrowing ScatterGatherList, _ direction: DMADirection, alignment: Int = 1
    ) throws(GuestMemoryError) -> DMAMapping {
        try map(list.elements, direction, alignment: alignment)
    }

    /// Maps one stretch of guest memory.
    public func map(
        address: GuestAddress, length: UInt64, _ direction: DMADirection, alignment: Int = 1
    ) throws(GuestMemoryError) -> DMAMapping {
        var element = ScatterGatherList.Element(address: address, length: length)
        return try withUnsafePointer(to: &element) { (element) throws(GuestMemoryError) in
            try map(
                UnsafeBufferPointer(start: element, count: 1), direction, alignment: alignment)
        }
    }

    private func map(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, _ direction: DMADirection,
        alignment: Int
    ) throws(GuestMemoryError) -> DMAMapping {
        let (transfer, step) = begin(
            elements, direction, alignment: alignment, unit: 1, userData: 0)
        switch step {
        case .submit(let piece):
            if transfer.isWhole(piece) { return DMAMapping(transfer, piece) }
            transfer.abandon()
        case .wait:
            _ = transfer.cancel()
        case .done(let result):
            if case .fault(let error) = result.outcome { throw error }
        }
        throw GuestMemoryError(.bounceUnavailable, at: elements[0].address)
    }
}
