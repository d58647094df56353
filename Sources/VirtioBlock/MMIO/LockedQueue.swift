import BlockHost

/// A virtqueue that several threads use under its lock.
///
/// `@unchecked`: the queue came from a `sending` argument, and is reached only with the lock held.
final class LockedQueue: @unchecked Sendable {
    private let mutex = PthreadMutex()
    private let queue: VirtioBlockQueue
    /// Of the queue, which never changes.
    let descriptor: CInt

    init(_ queue: VirtioBlockQueue) {
        self.queue = queue
        descriptor = queue.descriptor
    }

    /// Calls `body` with the queue, under its lock.
    func withLock<Result, Failure: Error>(
        _ body: (VirtioBlockQueue) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        mutex.lock()
        defer { mutex.unlock() }
        return try body(queue)
    }
}
