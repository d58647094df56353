public import BlockHost

/// Names one request of one queue, for ``BlockQueue/cancel(_:)``. Once the request has completed, its
/// identifier names nothing, and cancels nothing.
///
/// The fast path, which is inlined into callers, makes them from inline code.
public struct RequestID: Sendable, Hashable {
    @usableFromInline let address: UInt
    @usableFromInline let generation: UInt32

    @inlinable
    init(_ request: RequestPointer) {
        address = request.address
        generation = request.pointee.generation
    }
}
