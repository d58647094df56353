import BlockIO

/// Vectored I/O emulated one piece after the other: each piece is a request of its own, which starts when
/// the piece before it has completed. The QEMU patch series of vectored AIO emulated lists like this in 2008.
final class SerialTransport: Transport {
    private let queue: BlockQueue
    private let buffers: SlotBuffers
    private let slots: UnsafeMutableBufferPointer<Slot>

    private struct Slot {
        /// The piece under way.
        var piece = 0
        var position: UInt64 = 0
        var isWrite = false
    }

    init(queue: BlockQueue, buffers: SlotBuffers) {
        self.queue = queue
        self.buffers = buffers
        slots = .allocate(capacity: buffers.depth)
        slots.initialize(repeating: Slot())
    }

    deinit { slots.deallocate() }

    func start(_ slot: Int, isWrite: Bool, at offset: UInt64) {
        slots[slot] = Slot(position: offset, isWrite: isWrite)
        submit(slot)
    }

    private func submit(_ slot: Int) {
        let state = slots[slot]
        let piece = buffers.pieces(of: slot)[state.piece]
        let buffer = UnsafeMutableRawBufferPointer(start: piece.iov_base, count: piece.iov_len)
        if state.isWrite {
            queue.write(
                from: UnsafeRawBufferPointer(buffer), at: state.position, userData: UInt(slot))
        } else {
            queue.read(into: buffer, at: state.position, userData: UInt(slot))
        }
        slots[slot].position &+= UInt64(piece.iov_len)
    }

    func poll(_ body: (_ slot: Int, _ failure: String?) -> Void) {
        queue.poll(minimum: 1, timeout: pollLimit) { completion in
            let slot = Int(completion.userData)
            slots[slot].piece &+= 1
            if completion.isSuccess && slots[slot].piece < buffers.vectors {
                submit(slot)
            } else {
                body(slot, completion.complaint(on: queue.image))
            }
        }
    }

    func batched(_ body: () -> Void) { queue.batch(body) }

    var effort: Effort { queue.effort }
}
