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
    ///
    /// The list stays short, whatever a driver does while another thread has the queue: a reset takes the
    /// jobs before it from the list, and the registers start a queue only once after each reset.
    func add(_ job: QueueJob) {
        jobs.withLock { jobs in
            switch job {
            case .serve:
                if case .serve? = jobs.last { return }
                jobs.append(job)
            case .reset:
                // A service stays: the host may have completions, also of the requests that are abandoned.
                let isServeLeft = jobs.contains { if case .serve = $0 { true } else { false } }
                jobs.removeAll(keepingCapacity: true)
                jobs.append(job)
                if isServeLeft { jobs.append(.serve) }
            case .start, .resume: jobs.append(job)
            }
        }
    }

    /// How many jobs are left.
    var jobCount: Int { jobs.withLock(\.count) }

    /// How often ``settle(_:)`` takes the jobs that are left: a driver on another thread can add jobs
    /// without end.
    static let roundLimit = 4

    /// Does the jobs that are left, each with `body`, unless another thread has the queue: that thread calls
    /// this method after it has released the queue. Returns whether jobs are left that this call has not done
    /// because its work is limited.
    func settle(_ body: (QueueJob, VirtioBlockQueue) -> Void) -> Bool {
        for _ in 0..<Self.roundLimit {
            guard jobCount > 0, mutex.tryLock() else { return false }
            doJobs(body)
            unlock()
        }
        return jobCount > 0
    }

    /// Waits for the lock, does the jobs that are left, each with `job`, and calls `body` with the queue. The
    /// caller then calls ``settle(_:)`` for the jobs that other threads have left meanwhile.
    func withLock<Result, Failure: Error>(
        doing job: (QueueJob, VirtioBlockQueue) -> Void,
        _ body: (VirtioBlockQueue) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        mutex.lock()
        defer { unlock() }
        doJobs(job)
        return try body(queue)
    }

    /// Does as many jobs as there are at the beginning.
    private func doJobs(_ body: (QueueJob, VirtioBlockQueue) -> Void) {
        for _ in 0..<jobCount {
            guard let job = nextJob() else { return }
            body(job, queue)
        }
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
