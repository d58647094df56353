import BlockHost
import Glibc

// The threads: made when there is work for more, gone when there has long been none.
extension ThreadPool {
    static let idleLimit = WaitLimit.nanoseconds(5_000_000_000)
    /// Quick requests for which another thread is worth its call while the owner does some.
    static let quickCall = 16

    /// How long no thread is asked for after one was refused, in nanoseconds.
    private static let retrySpan: UInt64 = 10_000_000

    /// Under the lock: asks for a thread unless one was refused a moment ago; false when there is none.
    func tryThread() -> Bool {
        let lastRefusal = state.pointee.nextThreadTry
        if lastRefusal != 0 && monotonicNanoseconds() < lastRefusal { return false }
        return addThread()
    }

    /// Under the lock; false when the system gives no thread.
    func addThread() -> Bool {
        guard makeThread("blockio-pool", { $0.serve() }) else {
            noteRefusal()
            return false
        }
        state.pointee.nextThreadTry = 0
        state.pointee.threads += 1
        state.pointee.made += 1
        return true
    }

    /// Under the lock: the system has just given no thread.
    func noteRefusal() { state.pointee.nextThreadTry = monotonicNanoseconds() &+ Self.retrySpan }

    /// Starts a thread that runs `body`; false when the system gives none.
    func makeThread(
        _ name: StaticString, _ body: @escaping @Sendable (ThreadPool) -> Void
    ) -> Bool {
        do throws(SystemCallError) {
            try HostThread.start(named: name, stackSize: HostThread.smallStack) { body(self) }
            return true
        } catch {
            return false
        }
    }

    private func serve() {
        lock.lock()
        state.pointee.made -= 1
        while waitForWork() {
            while serveNext() {
                if announce() {
                    unlockAndTell(true)
                    lock.lock()
                }
            }
        }
        state.pointee.threads -= 1
        departure.signal()
        lock.unlock()
    }

    /// Gives up the lock. The owner is told when it is the last thread there is that goes into a long call.
    @inline(never)
    private func unlockForLongCall() { unlockAndTell(isWithoutThread && announceWork()) }

    /// Under the lock, which it gives up meanwhile: serves the first request. False when there is none.
    @discardableResult
    func serveNext() -> Bool {
        guard let request = state.pointee.queued.popFirst() else { return false }
        request.pointee.cSubmission.is_queued = false
        let isTransfer = request.isTransfer
        let bytes = request.pointee.cSubmission.length
        state.pointee.taken &+= 1
        if !isTransfer { state.pointee.inLongCall += 1 }
        if isTransfer { lock.unlock() } else { unlockForLongCall() }
        let file = image.files[Int(request.pointee.cSubmission.file)]
        let start = monotonicNanoseconds()
        request.pointee.result = file.makeBlockingCall(for: request)
        let span = monotonicNanoseconds() &- start
        lock.lock()
        if isTransfer {
            state.pointee.pace.note(span, bytes: bytes)
        } else {
            state.pointee.inLongCall -= 1
        }
        state.pointee.unanswered -= 1
        state.pointee.answered.append(request)
        return true
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
