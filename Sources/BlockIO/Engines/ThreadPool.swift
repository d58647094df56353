import CBlockIO
import Glibc

/// Threads that serve the requests of one queue.
///
/// A thread is added when there is work that no idle one is there for, up to the limit; one that
/// has been idle for `idleLimit` leaves. Safe to share: all state is under the lock.
final class ThreadPool: @unchecked Sendable {
    private let file: CInt
    private let threadLimit: Int
    private let lock = PthreadMutex()
    /// There is work, or the pool stops.
    private let work = PthreadCondition()
    /// As many have ended as the owner waits for, or the last thread has left.
    private let progress = PthreadCondition()
    /// Readable while `ended` is not empty; -1 for none.
    let eventDescriptor: CInt
    private let state: UnsafeMutablePointer<State>

    private struct State {
        var queued = RequestFIFO()
        var ended = RequestFIFO()
        var threads = 0
        var idle = 0
        /// How many ended requests the owner sleeps for; 0 when it does not.
        var awaited = 0
        var isSignalled = false
        var isStopping = false
    }

    private static let idleLimit = WaitLimit.nanoseconds(5_000_000_000)
    /// Room for a worker's few frames, with a margin for sanitizers.
    private static let stackSize = 512 * 1024

    init(file: CInt, threadLimit: Int, eventDescriptor: CInt) {
        self.file = file
        self.threadLimit = threadLimit
        self.eventDescriptor = eventDescriptor
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

    /// Moves what has ended to `finished`, after waiting until that is at least `minimum`.
    func collect(minimum: Int, limit: WaitLimit, into finished: inout RequestFIFO) {
        lock.lock()
        if state.pointee.ended.count < minimum {
            let deadline = limit.deadline()
            state.pointee.awaited = minimum
            while state.pointee.ended.count < minimum, progress.wait(lock, until: deadline) {}
            state.pointee.awaited = 0
        }
        if state.pointee.isSignalled {
            // Under the lock: cleared later, it would take a newer signal with it.
            cbio_eventfd_clear(eventDescriptor)
            state.pointee.isSignalled = false
        }
        finished.append(contentsOf: &state.pointee.ended)
        lock.unlock()
    }

    /// Makes the descriptor readable until the next `collect`.
    func wake() {
        lock.lock()
        signalDescriptor()
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

    private func signalDescriptor() {
        guard eventDescriptor >= 0, !state.pointee.isSignalled else { return }
        state.pointee.isSignalled = true
        cbio_eventfd_signal(eventDescriptor)
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
            if state.pointee.awaited > 0 {
                if state.pointee.ended.count >= state.pointee.awaited { progress.signal() }
            } else {
                signalDescriptor()
            }
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
        switch request.pointee.operation {
        case .read:
            cbio_preadv(
                file, request.pointee.vectors, request.pointee.vectorCount,
                request.pointee.position)
        case .write:
            cbio_pwritev(
                file, request.pointee.vectors, request.pointee.vectorCount,
                request.pointee.position, request.pointee.isDurable)
        case .flush, .open:
            cbio_fdatasync(file)
        }
    }
}
