import BlockIO

/// Vectored I/O emulated: every piece is a request of its own, and the list has ended when all of
/// them have.
final class ScalarTransport: Transport {
    private let queue: BlockQueue
    private let buffers: SlotBuffers
    /// By slot: pieces still under way.
    private let left: UnsafeMutableBufferPointer<Int>
    /// By slot: the first failure.
    private let failures: UnsafeMutableBufferPointer<String?>

    init(queue: BlockQueue, buffers: SlotBuffers) {
        self.queue = queue
        self.buffers = buffers
        left = .allocate(capacity: buffers.depth)
        left.initialize(repeating: 0)
        failures = .allocate(capacity: buffers.depth)
        failures.initialize(repeating: nil)
    }

    deinit {
        failures.deinitialize()
        failures.deallocate()
        left.deallocate()
    }

    func start(_ slot: Int, isWrite: Bool, at offset: UInt64) {
        left[slot] = buffers.vectors
        failures[slot] = nil
        var position = offset
        for piece in buffers.pieces(of: slot) {
            let buffer = UnsafeMutableRawBufferPointer(start: piece.iov_base, count: piece.iov_len)
            if isWrite {
                queue.write(
                    from: UnsafeRawBufferPointer(buffer), at: position, userData: UInt(slot))
            } else {
                queue.read(into: buffer, at: position, userData: UInt(slot))
            }
            position &+= UInt64(piece.iov_len)
        }
    }

    func poll(_ body: (_ slot: Int, _ failure: String?) -> Void) {
        queue.poll(minimum: 1, timeout: pollLimit) { completion in
            let slot = Int(completion.userData)
            if !completion.isSuccess && failures[slot] == nil {
                failures[slot] = completion.complaint(on: queue.image)
            }
            left[slot] &-= 1
            if left[slot] == 0 { body(slot, failures[slot]) }
        }
    }

    func batched(_ body: () -> Void) { queue.batch(body) }

    var effort: Effort { queue.effort }
}
