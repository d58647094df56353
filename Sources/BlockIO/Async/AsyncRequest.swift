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
        _ operation: BlockOperation, _ buffer: IOVector, _ offset: UInt64, isDurable: Bool = false
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
                operation: operation, vectors: unsafe IOVectorList(vectors), offset: offset,
                isDurable: isDurable))
    }

    func start(on queue: BlockQueue, _ continuation: UnsafeContinuation<BlockCompletion, Never>) {
        call.closure = RetainedClosure { completion in
            self.id = nil
            // The completion of the one request that is made for the task.
            unsafe continuation.resume(returning: completion)
        }
        let started = queue.start(call)
        id = started
        if isCancelled.load(ordering: .relaxed) { queue.cancel(started) }
    }

    func cancel(on queue: BlockQueue) {
        if let id { queue.cancel(id) }
    }
}
