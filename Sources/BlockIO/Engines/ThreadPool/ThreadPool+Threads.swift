import BlockHost
import Glibc

// The threads: made when there is work for more, gone when there has long been none.
extension ThreadPool {
    static let idleLimit = WaitLimit.nanoseconds(5_000_000_000)

    /// How long no thread is asked for after one was refused, in nanoseconds.
    private static let retrySpan: UInt64 = 10_000_000

    /// Under the lock: whether the system may be asked for a thread. Not for a while after it refused one, because a
    /// refusal costs as much as a thread.
    var mayAskForThread: Bool {
        let next = state.pointee.nextThreadTry
        return next == 0 || monotonicNanoseconds() >= next
    }

    /// Under the lock: adds a thread; false when the system gives none, or is not to be asked.
    func tryThread() -> Bool {
        guard mayAskForThread else { return false }
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

    /// What a thread that serves requests remembers from one to the next.
    struct Server {
        var habit = LookHabit()
        var sleeps = ThreadSleeps()
        /// The time at which its last request ended and it came to the next one; 0 if that is not known.
        var clock: UInt64 = 0
        /// What its last request took, in nanoseconds.
        var span: UInt64 = 0
        /// The pace after its last request. Once that has been answered, the owner may change the pace without
        /// the lock.
        var pace = RequestPace.Kind.slow
    }

    private func serve() {
        lock.lock()
        state.pointee.made -= 1
        var server = Server()
        while waitForWork(&server) {
            while !isSpare, serveNext(&server) {
                if !tellsLater(after: server.span) && announce() {
                    unlockAndTell(true)
                    server.clock = 0
                    lock.lock()
                }
            }
        }
        state.pointee.threads -= 1
        departure.signal()
        lock.unlock()
    }

    /// Under the lock: enough threads are at work without this one.
    private var isSpare: Bool {
        let limit = state.pointee.tuning.limit
        // Most pools have none, and need not count.
        return limit < .max
            && policy.isThreadSpare(state.pointee.pace.kind, atWork: atWork, promptLimit: limit)
    }

    /// Under the lock: whether the owner, which is elsewhere, is told of this answer together with a
    /// later one. Only while the watcher looks, which tells it if no later answer comes.
    private func tellsLater(after span: UInt64) -> Bool {
        state.pointee.awaited == 0 && state.pointee.watcher == .watching
            && policy.tellsLater(
                situation, answered: state.pointee.answered.count, after: span)
    }

    /// Gives up the lock. The owner is told when it is the last thread there is that goes into a long call.
    @inline(never)
    private func unlockForLongCall() { unlockAndTell(isWithoutThread && announceWork()) }

    /// Under the lock: takes the first request that may begin, and defers the long calls before it.
    private func takeNext() -> RequestPointer? {
        while let request = state.pointee.queued.popFirst() {
            if request.isTransfer || state.pointee.inLongCall < longCallLimit { return request }
            request.pointee.cSubmission.is_deferred = true
            state.pointee.deferred.append(request)
        }
        return nil
    }

    /// Under the lock, at the end of a long call: another one may begin. False when none waits for that.
    private func takeBackDeferred() -> Bool {
        guard let request = state.pointee.deferred.popFirst() else { return false }
        request.pointee.cSubmission.is_deferred = false
        state.pointee.queued.prepend(request)
        return true
    }

    /// Under the lock, which it gives up meanwhile: serves the first request. False when there is none.
    @discardableResult
    func serveNext(_ server: inout Server) -> Bool {
        guard let request = takeNext() else { return false }
        request.pointee.cSubmission.is_queued = false
        state.pointee.taken &+= 1
        var mayNeedThreads = false
        if request.isTransfer {
            lock.unlock()
            if policy.inlineLimit != nil { server.sleeps.prepare() }
            let start = server.clock == 0 ? monotonicNanoseconds() : server.clock
            request.pointee.result = makeCall(for: request)
            server.clock = monotonicNanoseconds()
            server.span = server.clock &- start
            lock.lock()
            mayNeedThreads = noteTransfer(request.pointee.cSubmission.length, &server)
        } else {
            state.pointee.inLongCall += 1
            unlockForLongCall()
            request.pointee.result = makeCall(for: request)
            server.clock = 0
            server.span = .max
            server.sleeps.forget()
            lock.lock()
            state.pointee.inLongCall -= 1
            state.pointee.unansweredLongCalls -= 1
            // The owner, which may have made this call, does not make the next one.
            mayNeedThreads = takeBackDeferred()
        }
        state.pointee.unanswered -= 1
        state.pointee.answered.append(request)
        if mayNeedThreads { wakeThreads(callThreads(.elsewhere)) }
        return true
    }

    /// Under the lock: notes the end of a transfer of `bytes` bytes. Returns whether more threads may
    /// serve from now on.
    private func noteTransfer(_ bytes: UInt64, _ server: inout Server) -> Bool {
        let before = state.pointee.pace.kind
        state.pointee.pace.note(server.span, bytes: bytes, &server.sleeps)
        server.pace = state.pointee.pace.kind
        switch server.pace {
        case .copy, .quick: return false
        case .slow: return before != .slow
        case .prompt:
            return state.pointee.tuning.note(
                server.clock, atWork: atWork, areLeft: !state.pointee.queued.isEmpty)
        }
    }

    /// Under the lock: looks for work for a moment, then sleeps until there is some. False when this thread is to
    /// leave.
    private func waitForWork(_ server: inout Server) -> Bool {
        server.clock = 0
        if state.pointee.queued.isEmpty && policy.looksBeforeSleep(server.pace)
            && server.habit.shouldLook()
        {
            let seen = work.value
            state.pointee.looking += 1
            lock.unlock()
            _ = work.spin(seen, rounds: LookHabit.rounds)
            lock.lock()
            state.pointee.looking -= 1
            server.habit.note(!state.pointee.queued.isEmpty)
        }
        while state.pointee.queued.isEmpty || isSpare {
            if state.pointee.isStopping { return false }
            if !state.pointee.queued.isEmpty { startWatch() }
            let seen = work.value
            state.pointee.idle += 1
            lock.unlock()
            let result = work.wait(seen, Self.idleLimit)
            server.sleeps.forget()
            lock.lock()
            // Whoever comes first answers for one that was called.
            if state.pointee.called > 0 {
                state.pointee.called -= 1
            } else {
                state.pointee.idle -= 1
            }
            if result == -ETIMEDOUT && (state.pointee.queued.isEmpty || isSpare) { return false }
        }
        return true
    }
}
