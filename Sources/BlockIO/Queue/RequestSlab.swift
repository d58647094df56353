/// The slots of a queue, in chunks whose addresses never change. When all are taken another chunk
/// is added, and counted: a queue never refuses a request for want of a slot.
struct RequestSlab: ~Copyable {
    private var free: RequestPointer?
    private var chunks: [RequestPointer] = []
    private let chunkSize: Int

    /// Slots there are.
    var capacity: Int { chunks.count * chunkSize }
    /// Chunks added after the first because all slots were taken.
    var growths: Int { chunks.count - 1 }

    init(chunkSize: Int) {
        self.chunkSize = chunkSize
        addChunk()
    }

    deinit {
        for chunk in chunks {
            chunk.deinitialize(count: chunkSize)
            chunk.deallocate()
        }
    }

    mutating func take() -> RequestPointer {
        if free == nil { addChunk() }
        let request = free.unsafelyUnwrapped
        free = request.pointee.next
        return request
    }

    mutating func give(back request: RequestPointer) {
        request.pointee.next = free
        free = request
    }

    private mutating func addChunk() {
        let chunk = RequestPointer.allocate(capacity: chunkSize)
        chunk.initialize(repeating: IORequest(), count: chunkSize)
        for index in (0..<chunkSize).reversed() { give(back: chunk + index) }
        chunks.append(chunk)
    }
}
