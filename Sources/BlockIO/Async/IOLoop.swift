import BlockHost
import Glibc

/// What the thread does: everything that has come in, in one batch, then a wait for more and for
/// completions.
///
/// Safe to share, although unchecked: only the thread itself uses the queue, but for the queue's mailbox,
/// which is safe to share, and what other threads leave for it is under the lock. The executors it refers to are
/// there as long as there is a job for them.
@safe final class IOLoop: @unchecked Sendable {
    let queue: BlockQueue
    /// Set before the thread starts. Unowned: a task holds the executor that its jobs are for.
    var jobExecutors: (UnownedSerialExecutor, UnownedTaskExecutor)?
    private let lock = PthreadMutex()
    /// Waited on when the queue is closed and cannot be waited in.
    private let arrival = PthreadCondition()
    private let inbox: StablePointer<Inbox>

    /// Under the lock.
    struct Inbox {
        /// Jobs of tasks that prefer this thread.
        var taskJobs: [UnownedJob] = []
        /// Jobs for the queue.
        var queueJobs: [@Sendable (BlockQueue) -> Void] = []
        fileprivate var isStopping = false
        /// The thread has been woken and has not looked since.
        fileprivate var isSignalled = false
        /// The number of the thread.
        fileprivate var thread: UInt?
    }

    init(_ queue: sending BlockQueue) {
        self.queue = queue
        inbox = StablePointer(allocating: Inbox())
    }

    deinit {
        unsafe inbox.destroy()
    }

    func start() throws(BlockError) {
        do throws(SystemCallError) {
            try HostThread.start(named: "blockio-async") { self.run() }
        } catch {
            throw BlockError(
                .system, errno: error.errno, operation: .open, image: queue.image.path,
                detail: "no thread could be made for the image's I/O")
        }
    }

    func stop() { post { $0.isStopping = true } }

    var isCurrent: Bool {
        lock.lock()
        defer { lock.unlock() }
        return inbox.pointee.thread == HostThread.number
    }

    func post(_ change: (inout Inbox) -> Void) {
        lock.lock()
        change(&inbox.pointee)
        let needsWake = !inbox.pointee.isSignalled
        inbox.pointee.isSignalled = true
        arrival.signal()
        lock.unlock()
        if needsWake { queue.wakeOwner() }
    }

    private func run() {
        lock.lock()
        inbox.pointee.thread = HostThread.number
        lock.unlock()
        queue.openToWakes()
        while true {
            let work = takeInbox()
            queue.batch {
                for job in work.queueJobs { job(queue) }
                for job in work.taskJobs {
                    guard let (serial, task) = unsafe jobExecutors else { break }
                    unsafe job.runSynchronously(isolatedTo: serial, taskExecutor: task)
                }
                if queue.isClosed { queue.poll() } else { queue.pollOrSleep(hasWork: hasMail) }
            }
            if queue.isClosed {
                if work.isStopping { return }
                waitForMail()
            } else if work.isStopping {
                queue.close()
            }
        }
    }

    private var hasMail: Bool {
        lock.lock()
        defer { lock.unlock() }
        return inbox.pointee.isSignalled || inbox.pointee.isStopping
    }

    private func waitForMail() {
        lock.lock()
        while !inbox.pointee.isSignalled { arrival.wait(lock) }
        lock.unlock()
    }

    private func takeInbox() -> Inbox {
        lock.lock()
        defer { lock.unlock() }
        let taken = inbox.pointee
        inbox.pointee.isSignalled = false
        inbox.pointee.taskJobs = []
        inbox.pointee.queueJobs = []
        return taken
    }
}
