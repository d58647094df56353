import Glibc
import Synchronization

/// One request of an ``AsyncBlockImage``. Safe to share, although unchecked: only the I/O thread uses what
/// changes, but for the flag, which is atomic.
final class AsyncRequest: @unchecked Sendable {
    private var call: QueueCore.Call
    private var id: RequestID?
    /// Seen when the task was cancelled before the request got to the I/O thread.
    let isCancelled = Atomic<Bool>(false)

    init(_ call: QueueCore.Call) { self.call = call }

    convenience init(
        _ operation: BlockOperation, _ buffer: iovec, _ offset: UInt64, isDurable: Bool = false
    ) {
        self.init(
            QueueCore.Call(
                operation: operation, offset: offset, isDurable: isDurable, buffer: buffer))
    }

    convenience init(
        _ operation: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>, _ offset: UInt64,
        isDurable: Bool = false
    ) {
        self.init(
            QueueCore.Call(
                operation: operation, vectors: vectors.baseAddress, count: vectors.count,
                offset: offset,
                isDurable: isDurable))
    }

    func start(on queue: BlockQueue, _ continuation: UnsafeContinuation<BlockCompletion, Never>) {
        call.closure = Unmanaged.passRetained(
            CompletionClosure { completion in
                self.id = nil
                continuation.resume(returning: completion)
            })
        let started = queue.start(call)
        id = started
        if isCancelled.load(ordering: .relaxed) { queue.cancel(started) }
    }

    func cancel(on queue: BlockQueue) {
        if let id { queue.cancel(id) }
    }
}
