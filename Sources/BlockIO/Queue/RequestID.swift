/// Names one request of one queue, for ``BlockQueue/cancel(_:)``. It goes stale with the request's
/// completion; a stale one is recognised and cancels nothing.
public struct RequestID: Sendable, Hashable {
    @usableFromInline let address: UInt
    @usableFromInline let generation: UInt32

    @inlinable
    init(_ request: RequestPointer) {
        address = UInt(bitPattern: request)
        generation = request.pointee.generation
    }

    var request: RequestPointer? { RequestPointer(bitPattern: address) }
}
