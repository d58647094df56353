import BlockHost
import Synchronization

/// A virtqueue that several threads use under its lock, and the jobs that are left for whoever has it.
///
/// `@unchecked`: the queue came from a `sending` argument, and is reached only with the lock held.
final class LockedQueue: @unchecked Sendable {
    private let mutex = PthreadMutex()
    private let queue: VirtioBlockQueue
    private let jobs = Guarded<[QueueJob]>([])
    /// Of the queue, when its lock was released last.
    private let wasResetting = Atomic(false)
    /// Of the queue, which never changes.
    let descriptor: CInt

    init(_ queue: VirtioBlockQueue) {
        self.queue = queue
        descriptor = queue.descriptor
    }

    /// Whether the host may still have requests from before a reset, without waiting for the lock.
    var isResetting: Bool {
        // In this order: a reset that is taken from the list is seen in the other.
        let isReset = jobs.withLock { jobs in
            jobs.contains { if case .reset = $0 { true } else { false } }
        }
        return isReset || wasResetting.load(ordering: .acquiring)
    }

    /// Leaves a job for the queue.
    func add(_ job: QueueJob) {
        jobs.withLock { jobs in
            if case .serve = job, case .serve? = jobs.last { return }
            jobs.append(job)
        }
    }

    /// Does the jobs that are left, each with `body`, unless another thread has the queue: that thread does
    /// them before it returns.
    func settle(_ body: (QueueJob, VirtioBlockQueue) -> Void) {
        while hasJobs, mutex.tryLock() {
            doJobs(body)
            unlock()
        }
    }

    /// Waits for the lock, does the jobs that are left, and calls `body` with the queue.
    func withLock<Result, Failure: Error>(
        settling settle: (QueueJob, VirtioBlockQueue) -> Void,
        _ body: (VirtioBlockQueue) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        mutex.lock()
        defer {
            unlock()
            // What was left meanwhile.
            self.settle(settle)
        }
        doJobs(settle)
        return try body(queue)
    }

    private var hasJobs: Bool { jobs.withLock { !$0.isEmpty } }

    private func doJobs(_ body: (QueueJob, VirtioBlockQueue) -> Void) {
        while let job = nextJob() { body(job, queue) }
    }

    /// The next job. A reset stays visible until it is done.
    private func nextJob() -> QueueJob? {
        jobs.withLock { jobs in
            guard let job = jobs.first else { return nil }
            if case .reset = job { wasResetting.store(true, ordering: .releasing) }
            jobs.removeFirst()
            return job
        }
    }

    private func unlock() {
        wasResetting.store(queue.isResetting, ordering: .releasing)
        mutex.unlock()
    }
}
