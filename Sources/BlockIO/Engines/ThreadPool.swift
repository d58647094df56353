import CBlockIO
import Glibc

/// Threads that serve requests of one queue: all of them, or those the kernel has no asynchronous
/// call for.
///
/// A thread is added when there is work that no idle one is there for, up to the limit; one that
/// has been idle for `idleLimit` leaves. How many are woken for a batch depends on what requests were
/// seen to do (``RequestPace``): where they sleep, a thread for each; where the kernel does them on
/// the spot, no more than there are processors, and an owner that waits does some itself.
///
/// Safe to share: all state is under the lock. Who is to be woken is woken after it is given up.
final class ThreadPool: @unchecked Sendable {
    /// The queue keeps it. Not owned here: a thread on its way out still holds the pool for a
    /// moment after `stop`, and an image that is released gives back its locks at once.
    private unowned let image: BlockImage
    private let threadLimit: Int
    private let lock = PthreadMutex()
    /// The last thread has left.
    private let departure = PthreadCondition()
    /// A futex(2) that idle threads sleep on: there is work, or the pool stops.
    private let work: Futex
    /// A futex(2) that the owner sleeps on: as many have ended as it waits for, or it is woken. No
    /// condition variable, since a signal has to end the wait.
    private let progress: Futex
    /// Made readable when something has ended and nobody waits; -1 for none.
    private let eventDescriptor: CInt
    /// Whether the descriptor is this pool's to clear, or its owner's.
    private let clearsDescriptor: Bool
    private let processors = max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var queued = RequestFIFO()
        var ended = RequestFIFO()
        var threads = 0
        /// Threads that sleep.
        var idle = 0
        /// Threads that were called and have not arrived.
        var called = 0
        /// How many ended requests the owner sleeps for; 0 when it does not.
        var awaited = 0
        /// It has been told and has not looked since.
        var isTold = false
        var isSignalled = false
        var isWoken = false
        var isStopping = false
        var pace = RequestPace()
    }

    private static let idleLimit = WaitLimit.nanoseconds(5_000_000_000)
    /// Room for a worker's few frames, with a margin for sanitizers.
    private static let stackSize = 512 * 1024
    /// Requests that an owner does itself in one wait, before it looks at what else has ended.
    private static let ownShare = 16
    /// Quick requests that one takes at a time.
    private static let quickShare = 8

    init(image: BlockImage, threadLimit: Int, eventDescriptor: CInt, clearsDescriptor: Bool) {
        self.image = image
        self.threadLimit = threadLimit
        self.eventDescriptor = eventDescriptor
        self.clearsDescriptor = clearsDescriptor
        work = Futex()
        progress = Futex()
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Takes all of `pending`, unless there is no thread at all and none can be made. With
    /// `isFollowedByWait` the owner waits next, and may do some of it.
    func enqueue(_ pending: inout RequestFIFO, isFollowedByWait: Bool = false) {
        lock.lock()
        if state.pointee.threads > 0 || addThread() {
            state.pointee.queued.append(contentsOf: &pending)
        }
        let called = callThreads(besides: isFollowedByWait ? 1 : 0)
        lock.unlock()
        if called > 0 { work.wake(called) }
    }

    /// Under the lock: calls as many threads as the queue needs besides `others` that will help.
    /// Returns how many are to be woken when the lock is given up.
    private func callThreads(besides others: Int = 0) -> Int {
        var wanted = state.pointee.queued.count - state.pointee.called
        if state.pointee.pace.isQuick {
            // No more than can run, and none for a request or two that the owner does sooner.
            let busy = state.pointee.threads - state.pointee.idle
            wanted = min(wanted - 2 * others, processors - others - busy)
        }
        while wanted > state.pointee.idle, state.pointee.threads < threadLimit, addThread() {
            wanted -= 1
        }
        let count = min(wanted, state.pointee.idle)
        guard count > 0 else { return 0 }
        state.pointee.idle -= count
        state.pointee.called += count
        work.advance()
        return count
    }

    /// Moves what has ended to `finished`, after waiting until that is at least `minimum`, `wake`
    /// was called, the limit has passed or a signal came.
    @discardableResult
    func collect(
        minimum: Int, limit: WaitLimit, into finished: inout RequestFIFO
    ) -> WaitEnd {
        var end = WaitEnd.normal
        lock.lock()
        if minimum > 0 {
            if state.pointee.pace.isQuick && !limit.hasPassed { serveSome() }
            // What is left, others do while this thread sleeps or delivers.
            let called = state.pointee.queued.isEmpty ? 0 : callThreads()
            if called > 0 {
                lock.unlock()
                work.wake(called)
                lock.lock()
            }
        }
        if state.pointee.ended.count < minimum && !state.pointee.isWoken {
            state.pointee.awaited = minimum
            end = waitForProgress(limit)
            state.pointee.awaited = 0
        }
        state.pointee.isWoken = false
        if state.pointee.isSignalled {
            // Under the lock: cleared later, it would take a newer signal with it.
            if clearsDescriptor { cbio_eventfd_clear(eventDescriptor) }
            state.pointee.isSignalled = false
        }
        finished.append(contentsOf: &state.pointee.ended)
        lock.unlock()
        return end
    }

    /// Under the lock, which it gives up while it sleeps.
    private func waitForProgress(_ limit: WaitLimit) -> WaitEnd {
        var left = limit
        let deadline = limit.deadline()
        while state.pointee.ended.count < state.pointee.awaited && !state.pointee.isWoken {
            let seen = progress.value
            state.pointee.isTold = false
            lock.unlock()
            let result = progress.wait(seen, left)
            lock.lock()
            if result == -EINTR { return .interrupted }
            if result == -ETIMEDOUT { return .normal }
            if let deadline { left = WaitLimit(until: deadline) }
        }
        return .normal
    }

    /// Ends a wait, or makes the descriptor readable until the next `collect`. From any thread.
    func wake() {
        lock.lock()
        state.pointee.isWoken = true
        unlockAndTell(announce())
    }

    /// Ends a request with ECANCELED that no thread has begun.
    func cancel(_ request: RequestPointer) {
        lock.lock()
        guard state.pointee.queued.remove(request) else { return lock.unlock() }
        request.pointee.result = -Int64(ECANCELED)
        state.pointee.ended.append(request)
        unlockAndTell(announce())
    }

    /// Sends all threads away and waits until they have left. Nothing may be queued or running.
    func stop() {
        lock.lock()
        state.pointee.isStopping = true
        work.advance()
        work.wake(Int(CInt.max))
        while state.pointee.threads > 0 { _ = departure.wait(lock, until: nil) }
        lock.unlock()
    }

    /// Under the lock: tells the owner that something has ended, by the descriptor unless it sleeps.
    /// True when it sleeps and is to be woken once the lock is given up.
    private func announce() -> Bool {
        if state.pointee.awaited > 0 {
            let isEnough =
                state.pointee.isWoken || state.pointee.ended.count >= state.pointee.awaited
            guard isEnough && !state.pointee.isTold else { return false }
            state.pointee.isTold = true
            progress.advance()
            return true
        }
        if eventDescriptor >= 0, !state.pointee.isSignalled {
            state.pointee.isSignalled = true
            cbio_eventfd_signal(eventDescriptor)
        }
        return false
    }

    private func unlockAndTell(_ isSleeping: Bool) {
        lock.unlock()
        if isSleeping { progress.wake(1) }
    }
}

// The threads.
extension ThreadPool {
    /// Under the lock; false when the system gives no thread.
    private func addThread() -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, Self.stackSize)
        // Signals are the emulator's business: the new thread inherits a mask that blocks all.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        var thread = pthread_t()
        let error = pthread_create(
            &thread, &attributes,
            { context in
                Unmanaged<ThreadPool>.fromOpaque(context!).takeRetainedValue().serve()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        pthread_attr_destroy(&attributes)
        guard error == 0 else {
            Unmanaged.passUnretained(self).release()
            return false
        }
        state.pointee.threads += 1
        state.pointee.called += 1
        return true
    }

    private func serve() {
        lock.lock()
        state.pointee.called -= 1
        while waitForWork() {
            while !state.pointee.queued.isEmpty {
                serveShare()
                if announce() {
                    unlockAndTell(true)
                    lock.lock()
                }
            }
        }
        state.pointee.threads -= 1
        if state.pointee.threads == 0 { departure.signal() }
        lock.unlock()
    }

    /// Under the lock: what the owner does itself before it sleeps.
    private func serveSome() {
        var left = Self.ownShare
        while left > 0, state.pointee.pace.isQuick, !state.pointee.isWoken,
            !state.pointee.queued.isEmpty
        {
            left -= serveShare()
        }
    }

    /// Under the lock, which it gives up meanwhile: serves the first request, and while they are quick a
    /// few more, but no more than are left to others. Returns how many.
    @discardableResult
    private func serveShare() -> Int {
        let count = state.pointee.queued.count
        let share = state.pointee.pace.isQuick ? min((count + 1) / 2, Self.quickShare) : 1
        var taken = RequestFIFO()
        for _ in 0..<share {
            if let request = state.pointee.queued.popFirst() { taken.append(request) }
        }
        lock.unlock()
        var bytes: UInt64 = 0
        let start = monotonicNanoseconds()
        var next = taken.head
        while let request = next {
            request.pointee.result = perform(request)
            bytes &+= request.operation.pointee.length
            next = request.pointee.next
        }
        let span = monotonicNanoseconds() &- start
        lock.lock()
        state.pointee.pace.note(span, requests: share, bytes: bytes)
        state.pointee.ended.append(contentsOf: &taken)
        return share
    }

    /// Under the lock: sleeps until there is work. False when this thread is to leave.
    private func waitForWork() -> Bool {
        while state.pointee.queued.isEmpty {
            if state.pointee.isStopping { return false }
            let seen = work.value
            state.pointee.idle += 1
            lock.unlock()
            let result = work.wait(seen, Self.idleLimit)
            lock.lock()
            // Whoever comes first answers for one that was called.
            if state.pointee.called > 0 {
                state.pointee.called -= 1
            } else {
                state.pointee.idle -= 1
            }
            if result == -ETIMEDOUT && state.pointee.queued.isEmpty { return false }
        }
        return true
    }

    private func perform(_ request: RequestPointer) -> Int64 {
        let order = request.pointee.engine
        let file = image.descriptor
        switch order.operation {
        case .read:
            return cbio_preadv(file, order.vectors, order.vectorCount, order.position)
        case .write:
            return cbio_pwritev(
                file, order.vectors, order.vectorCount, order.position, order.isDurable)
        case .synchronize: return cbio_fdatasync(file)
        case .bufferedWrite:
            let buffered = image.bufferedDescriptor()
            guard buffered >= 0 else { return Int64(buffered) }
            return cbio_pwritev(
                buffered, order.vectors, order.vectorCount, order.position, order.isDurable)
        case .punchHole: return cbio_punch_hole(file, order.position, order.length)
        case .zeroRange: return cbio_zero_range(file, order.position, order.length)
        case .deviceDiscard: return cbio_device_discard(file, order.position, order.length)
        case .deviceZero: return cbio_device_zero(file, order.position, order.length)
        case .truncate: return cbio_truncate(file, order.position)
        }
    }
}
