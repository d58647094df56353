import Glibc

// The threads: made when there is work for more, gone when there has long been none.
extension ThreadPool {
    private static let idleLimit = WaitLimit.nanoseconds(5_000_000_000)
    /// Room for a thread's few frames, with a margin for sanitizers.
    private static let stackSize = 512 * 1024
    /// Quick requests that one takes at a time, and their bytes, about: nobody looks up meanwhile.
    static let quickShare = 8
    private static let quickBytes: UInt64 = 1 << 18
    /// Quick requests for which another thread is worth its call while the owner does some.
    static let quickCall = 16

    /// Under the lock; false when the system gives no thread.
    func addThread() -> Bool {
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

    /// Under the lock, which it gives up meanwhile: serves the first request, and while they are
    /// quick a few more, but no more than are left to others and none of more than `limit` bytes.
    /// Returns how many.
    @discardableResult
    func serveShare(upTo limit: UInt64? = nil) -> Int {
        let count = state.pointee.queued.count
        let most = state.pointee.pace.isQuick ? min((count + 1) / 2, Self.quickShare) : 1
        var taken = RequestFIFO()
        var bytes: UInt64 = 0
        while taken.count < most, bytes < Self.quickBytes, let request = state.pointee.queued.head {
            if let limit, !request.isTransfer(upTo: limit) { break }
            _ = state.pointee.queued.popFirst()
            taken.append(request)
            bytes &+= request.operation.pointee.length
        }
        let share = taken.count
        lock.unlock()
        let image = image
        let start = monotonicNanoseconds()
        var next = taken.head
        while let request = next {
            request.pointee.result = image.perform(request)
            next = request.pointee.next
        }
        let span = monotonicNanoseconds() &- start
        lock.lock()
        state.pointee.pace.note(span, requests: share, bytes: bytes)
        state.pointee.unfinished -= share
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
}
