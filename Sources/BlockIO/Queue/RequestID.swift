/// Names one request of one queue, for ``BlockQueue/cancel(_:)``. It goes stale with the request's
/// completion; a stale one is recognised and cancels nothing.
public struct RequestID: Sendable, Hashable {
    private let address: UInt
    let generation: UInt32

    init(_ request: RequestPointer) {
        address = UInt(bitPattern: request)
        generation = request.pointee.generation
    }

    var request: RequestPointer? { RequestPointer(bitPattern: address) }
}
