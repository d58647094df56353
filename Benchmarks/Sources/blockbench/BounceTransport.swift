import BlockIO
import Glibc

/// Vectored I/O emulated by a copy: one request with one buffer, from which a read is scattered and in
/// which a write is gathered. The buffer of a slot is made once, which is the best case of this method.
final class BounceTransport: Transport {
    private let queue: BlockQueue
    private let buffers: SlotBuffers
    private let length: Int
    private let memory: UnsafeMutableRawBufferPointer
    private let isWriting: UnsafeMutableBufferPointer<Bool>
    private let copied: UnsafeMutablePointer<UInt64>

    private static let pageSize = 4096

    init(queue: BlockQueue, buffers: SlotBuffers) {
        self.queue = queue
        self.buffers = buffers
        length = buffers.pieces(of: 0).reduce(0) { $0 + $1.iov_len }
        let stride = (length + Self.pageSize - 1) / Self.pageSize * Self.pageSize
        memory = .allocate(byteCount: buffers.depth * stride, alignment: Self.pageSize)
        isWriting = .allocate(capacity: buffers.depth)
        isWriting.initialize(repeating: false)
        copied = .allocate(capacity: 1)
        copied.initialize(to: 0)
    }

    deinit {
        memory.deallocate()
        isWriting.deallocate()
        copied.deallocate()
    }

    private func buffer(of slot: Int) -> UnsafeMutableRawBufferPointer {
        let stride = memory.count / buffers.depth
        return UnsafeMutableRawBufferPointer(
            rebasing: memory[slot * stride..<slot * stride + length])
    }

    func start(_ slot: Int, isWrite: Bool, at offset: UInt64) {
        let buffer = buffer(of: slot)
        isWriting[slot] = isWrite
        if isWrite {
            copy(slot) { piece, place in memcpy(place, piece.iov_base, piece.iov_len) }
            queue.write(from: UnsafeRawBufferPointer(buffer), at: offset, userData: UInt(slot))
        } else {
            queue.read(into: buffer, at: offset, userData: UInt(slot))
        }
    }

    /// Calls `body` for each piece of the slot with the piece's place in the buffer.
    private func copy(_ slot: Int, _ body: (iovec, UnsafeMutableRawPointer) -> Void) {
        guard var place = buffer(of: slot).baseAddress else { return }
        for piece in buffers.pieces(of: slot) {
            body(piece, place)
            place += piece.iov_len
        }
        copied.pointee &+= UInt64(length)
    }

    func poll(_ body: (_ slot: Int, _ failure: String?) -> Void) {
        queue.poll(minimum: 1, timeout: pollLimit) { completion in
            let slot = Int(completion.userData)
            if completion.isSuccess && !isWriting[slot] {
                copy(slot) { piece, place in memcpy(piece.iov_base, place, piece.iov_len) }
            }
            body(slot, completion.complaint(on: queue.image))
        }
    }

    func batched(_ body: () -> Void) { queue.batch(body) }

    var effort: Effort {
        var effort = queue.effort
        effort.bouncedBytes &+= copied.pointee
        return effort
    }
}
