/// The thread of an ``AsyncBlockImage``, as an executor: it owns the queue, waits in it, and runs
/// the jobs of tasks that prefer it. The thread lives as long as this object; then
/// it waits for the requests under way, closes the queue and ends.
public final class IOThread: SerialExecutor, TaskExecutor {
    private let loop: IOLoop

    /// Starts the thread, which the queue belongs to from then on.
    init(_ queue: sending BlockQueue) throws(BlockError) {
        loop = IOLoop(queue)
        unsafe loop.jobExecutors = (asUnownedSerialExecutor(), asUnownedTaskExecutor())
        try loop.start()
    }

    deinit { loop.stop() }

    /// For the concurrency runtime: runs `job` on this thread.
    public func enqueue(_ job: UnownedJob) { loop.post { $0.taskJobs.append(job) } }

    /// For the concurrency runtime.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    /// Runs `job` on this thread, with the queue: before this returns when called on this thread.
    func run(_ job: @escaping @Sendable (BlockQueue) -> Void) {
        if loop.isCurrent {
            job(loop.queue)
        } else {
            loop.post { $0.queueJobs.append(job) }
        }
    }
}
