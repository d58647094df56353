import CBlockIO
import Glibc

/// Threads that serve requests of one queue: all of them, or those the kernel has no asynchronous
/// call for.
///
/// A thread is added when there is work that no idle one is there for, up to the limit; one that
/// has been idle for `idleLimit` leaves. Safe to share: all state is under the lock.
final class ThreadPool: @unchecked Sendable {
    /// The queue keeps it. Not owned here: a thread on its way out still holds the pool for a
    /// moment after `stop`, and an image that is released gives back its locks at once.
    private unowned let image: BlockImage
    private let threadLimit: Int
    private let lock = PthreadMutex()
    /// There is work, or the pool stops.
    private let work = PthreadCondition()
    /// As many have ended as the owner waits for, it is woken, or the last thread has left.
    private let progress = PthreadCondition()
    /// Made readable when something has ended and nobody waits; -1 for none.
    private let eventDescriptor: CInt
    /// Whether the descriptor is this pool's to clear, or its owner's.
    private let clearsDescriptor: Bool
    /// Made readable with the other, see ``WakeEvent``; -1 for none.
    private let ownerDescriptor: CInt
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var queued = RequestFIFO()
        var ended = RequestFIFO()
        var threads = 0
        var idle = 0
        /// How many ended requests the owner sleeps for; 0 when it does not.
        var awaited = 0
        var isSignalled = false
        var isWoken = false
        var isStopping = false
    }

    private static let idleLimit = WaitLimit.nanoseconds(5_000_000_000)
    /// Room for a worker's few frames, with a margin for sanitizers.
    private static let stackSize = 512 * 1024

    init(
        image: BlockImage, threadLimit: Int, eventDescriptor: CInt, clearsDescriptor: Bool,
        ownerDescriptor: CInt = -1
    ) {
        self.image = image
        self.threadLimit = threadLimit
        self.eventDescriptor = eventDescriptor
        self.clearsDescriptor = clearsDescriptor
        self.ownerDescriptor = ownerDescriptor
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Takes all of `pending`, unless there is no thread at all and none can be made.
    func enqueue(_ pending: inout RequestFIFO) {
        lock.lock()
        while state.pointee.idle < state.pointee.queued.count + pending.count,
            state.pointee.threads < threadLimit, addThread()
        {}
        if state.pointee.threads > 0 {
            let isOne = pending.count == 1
            state.pointee.queued.append(contentsOf: &pending)
            if isOne { work.signal() } else { work.broadcast() }
        }
        lock.unlock()
    }

    /// Moves what has ended to `finished`, after waiting until that is at least `minimum`, `wake`
    /// was called or the limit has passed.
    func collect(minimum: Int, limit: WaitLimit, into finished: inout RequestFIFO) {
        lock.lock()
        if state.pointee.ended.count < minimum && !state.pointee.isWoken {
            let deadline = limit.deadline()
            state.pointee.awaited = minimum
            while state.pointee.ended.count < minimum && !state.pointee.isWoken,
                progress.wait(lock, until: deadline)
            {}
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
    }

    /// Ends a wait, or makes the descriptor readable until the next `collect`. From any thread.
    func wake() {
        lock.lock()
        state.pointee.isWoken = true
        notify()
        lock.unlock()
    }

    /// Ends a request with ECANCELED that no thread has begun.
    func cancel(_ request: RequestPointer) {
        lock.lock()
        if state.pointee.queued.remove(request) {
            request.pointee.result = -Int64(ECANCELED)
            state.pointee.ended.append(request)
            notify()
        }
        lock.unlock()
    }

    /// Sends all threads away and waits until they have left. Nothing may be queued or running.
    func stop() {
        lock.lock()
        state.pointee.isStopping = true
        work.broadcast()
        while state.pointee.threads > 0 { _ = progress.wait(lock, until: nil) }
        lock.unlock()
    }

    /// Under the lock: tells the owner, on the condition while it waits there.
    private func notify() {
        if state.pointee.awaited > 0 {
            if state.pointee.isWoken || state.pointee.ended.count >= state.pointee.awaited {
                progress.signal()
            }
        } else if eventDescriptor >= 0, !state.pointee.isSignalled {
            state.pointee.isSignalled = true
            cbio_eventfd_signal(eventDescriptor)
            if ownerDescriptor >= 0 { cbio_eventfd_signal(ownerDescriptor) }
        }
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
        state.pointee.idle += 1
        return true
    }

    private func serve() {
        lock.lock()
        while let request = nextRequest() {
            state.pointee.idle -= 1
            lock.unlock()
            request.pointee.result = perform(request)
            lock.lock()
            state.pointee.idle += 1
            state.pointee.ended.append(request)
            notify()
        }
        state.pointee.idle -= 1
        state.pointee.threads -= 1
        if state.pointee.threads == 0 { progress.signal() }
        lock.unlock()
    }

    /// Under the lock: waits for work; `nil` when this thread is to leave.
    private func nextRequest() -> RequestPointer? {
        if let request = state.pointee.queued.popFirst() { return request }
        let deadline = Self.idleLimit.deadline()
        while !state.pointee.isStopping {
            let inTime = work.wait(lock, until: deadline)
            if let request = state.pointee.queued.popFirst() { return request }
            if !inTime { break }
        }
        return nil
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
