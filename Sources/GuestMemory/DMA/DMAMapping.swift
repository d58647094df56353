import BlockHost
public import Glibc

// @safe: whoever follows a vector says so, and the transfer keeps the memory until the mapping
// ends.
/// Guest memory that is mapped as a whole for a device, without the steps of a transfer: for
/// network cards and other devices that make their own requests.
///
/// The memory stays mapped, and the map it was found on held, until ``unmap(written:)``.
@safe public struct DMAMapping: ~Copyable {
    /// The host memory, in order.
    public let vectors: UnsafeBufferPointer<iovec>
    /// The length in bytes.
    public let length: UInt64
    /// Alive until its mapper has it back.
    private let transfer: UnretainedReference<DMATransfer>

    init(_ transfer: DMATransfer, _ piece: DMAPiece) {
        self.transfer = unsafe UnretainedReference(transfer)
        unsafe vectors = unsafe piece.vectors
        length = piece.length
    }

    deinit {
        // Whoever forgot it may have let the device write all of it.
        _ = transfer.object.pieceEnded(transferred: length, isSuccess: true)
    }

    /// Ends the mapping. With `fromDevice`, the device has written the first `written` bytes, or
    /// all of them if it is `nil`: bytes that bounced are copied to guest memory, and the pages of
    /// the written bytes, and no others, are marked. With `toDevice`, `written` has no effect.
    public consuming func unmap(written: UInt64? = nil) throws(GuestMemoryError) {
        let transfer = transfer.object
        let length = length
        discard self
        let step = transfer.unmap(written: Swift.min(written ?? length, length))
        if case .done(let result) = step, case .fault(let error) = result.outcome { throw error }
    }
}

extension DMAMapper {
    /// Maps a list as a whole. Throws ``GuestMemoryError/Code/bounceUnavailable`` if it needs more
    /// bounce buffer than the bounce limit, or more than is free now.
    public func map(
        _ list: borrowing ScatterGatherList, _ direction: DMADirection, alignment: Int = 1
    ) throws(GuestMemoryError) -> DMAMapping {
        unsafe try map(list.elements, direction, alignment: alignment)
    }

    /// Maps the `length` bytes of guest memory that begin at `address`.
    public func map(
        address: GuestAddress, length: UInt64, _ direction: DMADirection, alignment: Int = 1
    ) throws(GuestMemoryError) -> DMAMapping {
        var element = ScatterGatherList.Element(address: address, length: length)
        return unsafe try withUnsafePointer(to: &element) { (element) throws(GuestMemoryError) in
            unsafe try map(
                UnsafeBufferPointer(start: element, count: 1), direction, alignment: alignment)
        }
    }

    private func map(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, _ direction: DMADirection,
        alignment: Int
    ) throws(GuestMemoryError) -> DMAMapping {
        let (transfer, step) = unsafe begin(
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
        throw unsafe GuestMemoryError(.bounceUnavailable, at: elements[0].address)
    }
}
