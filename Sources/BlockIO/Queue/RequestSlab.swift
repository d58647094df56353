import CBlockIO

/// The memory of a queue's slots, in chunks whose addresses never change. When all are taken another
/// chunk is added, and counted: a queue never refuses a request for want of a slot.
struct RequestSlab: ~Copyable {
    private var chunks: [RequestPointer] = []
    private let chunkSize: Int

    /// Chunks added after the first because all slots were taken.
    var growths: Int { chunks.count - 1 }

    init(chunkSize: Int) { self.chunkSize = chunkSize }

    deinit {
        for chunk in chunks {
            chunk.deinitialize(count: chunkSize)
            chunk.deallocate()
        }
    }

    mutating func addChunk(to free: inout FreeSlots) {
        let chunk = RequestPointer.allocate(capacity: chunkSize)
        chunk.initialize(repeating: IORequest(), count: chunkSize)
        for index in (0..<chunkSize).reversed() { free.give(back: chunk + index) }
        chunks.append(chunk)
    }
}

/// The slots that no request is in, linked through themselves; the last that was freed goes first.
@usableFromInline
struct FreeSlots {
    @usableFromInline var first: RequestPointer?

    @inline(__always)
    @inlinable
    mutating func take() -> RequestPointer? {
        guard let request = first else { return nil }
        first = RequestPointer(request.operation.pointee.next)
        return request
    }

    @inline(__always)
    @inlinable
    mutating func give(back request: RequestPointer) {
        request.operation.pointee.next = first?.operation
        first = request
    }
}
