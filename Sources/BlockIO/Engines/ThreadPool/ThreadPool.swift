package import BlockHost
import Glibc

/// Threads that serve requests of one queue: all of them, or those the kernel has no asynchronous
/// call for.
///
/// A thread is added when there is work that no idle one is there for, up to the limit; one that
/// has been idle for long leaves. How many are called for a batch depends on what requests were seen
/// to do (``RequestPace``): where they sleep, a thread for each; where the kernel does them on the
/// spot, no more than there are processors, and a watcher calls more when those come to a halt. Each
/// takes one request at a time and tells of its end at once, so that none waits for what another's
/// neighbour does. An owner that waits does transfers itself rather than hand them over and sleep, when
/// that keeps it from nothing else; where they are copies of memory one that submits does too.
///
/// While the system gives no thread, the pool is *starving*: the owner serves a request each time it
/// looks, and the descriptor stays readable so that it does.
///
/// Safe to share, although unchecked: all state is under the lock. Who is to be woken is woken after it is given up.
package final class ThreadPool: @unchecked Sendable {
    /// The queue keeps it. Not owned here: a thread on its way out still holds the pool for a
    /// moment after `stop`, and an image that is released gives back its locks at once.
    unowned let image: BlockImage
    package let threadLimit: Int
    let lock = PthreadMutex()
    /// The last thread has left.
    let departure = PthreadCondition()
    /// A futex(2) that idle threads sleep on: there is work, or the pool stops.
    let work: Futex
    /// A futex(2) that the watcher sleeps on.
    let watch = Futex()
    /// A futex(2) that the owner sleeps on until there are as many answers as it waits for, or it is woken. No
    /// condition variable, since a signal has to end the wait.
    private let progress: Futex
    /// Made readable when there is an answer and nobody waits.
    private let event: Event?
    /// The pool is beside a ring, whose engine clears the descriptor and decides when the owner serves for
    /// want of a thread.
    private let isBesideRing: Bool
    private let processors: Int
    /// Up to so many bytes are moved by the owner while it submits; `nil` when none are.
    private let inlineLimit: UInt64?
    package let state: StablePointer<State>

    package struct State {
        package var queued = RequestFIFO()
        package var answered = RequestFIFO()
        /// Requests that are queued or being served.
        package var unanswered = 0
        package var threads = 0
        /// Threads that sleep.
        package var idle = 0
        /// Threads that slept, were called and have not come.
        package var called = 0
        /// Threads that were made and have not come.
        package var made = 0
        /// Threads that make a call that is no transfer, and may take as long as it likes.
        package var inLongCall = 0
        /// Requests taken out of `queued` so far.
        var taken: UInt64 = 0
        var watcher = Watcher.absent
        /// CLOCK_MONOTONIC before which no thread is asked for again; 0 when the last one was given.
        var nextThreadTry: UInt64 = 0
        /// How many answers the owner sleeps for; 0 when it does not.
        package var awaited = 0
        /// It has been told and has not looked since.
        var isTold = false
        var isSignalled = false
        package var isWoken = false
        /// Others have something to say to the owner.
        var wasEverWoken = false
        var isStopping = false
        var pace: RequestPace
        /// Requests that the owner did while it submitted.
        var inlineCompletions: UInt64 = 0
        /// Requests that the owner did because there was no thread.
        var pollerOperations: UInt64 = 0

    }

    /// Requests that an owner does itself before it delivers what it has waited for.
    private static let ownShare = 16

    init(
        image: BlockImage, threadLimit: Int, event: Event?, isBesideRing: Bool,
        inlineLimit: UInt64? = nil, processors: Int = sysconf(CInt(_SC_NPROCESSORS_ONLN))
    ) {
        self.inlineLimit = inlineLimit
        self.processors = max(1, processors)
        self.image = image
        self.threadLimit = threadLimit
        self.event = event
        self.isBesideRing = isBesideRing
        work = Futex()
        progress = Futex()
        state = StablePointer(allocating: State(pace: RequestPace(areCopies: inlineLimit != nil)))
    }

    deinit {
        unsafe state.destroy()
    }

    /// Takes all of `pending`.
    func enqueue(_ pending: inout RequestFIFO) {
        lock.lock()
        take(&pending)
        let called = giveToThreads()
        if isWithoutThread { signalDescriptor() }
        lock.unlock()
        if called > 0 { work.wake(called) }
    }

    /// Takes `pending` as `enqueue` does, then moves the answers to `answered`. When there are none, and
    /// with a `minimum` above 0, it first waits until there is so much, or all; or until `wake` is
    /// called, the limit has passed or a signal came.
    @discardableResult
    func collect(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, into answered: inout RequestFIFO
    ) -> WaitEnd {
        lock.lock()
        if !pending.isEmpty { take(&pending) }
        let wanted =
            minimum > 0 && state.pointee.answered.isEmpty
            ? max(1, min(minimum, state.pointee.unanswered)) : 0
        var end = WaitEnd.normal
        var left = limit
        if !state.pointee.queued.isEmpty { distribute(wanted: wanted, &left) }
        if state.pointee.answered.count < wanted && !state.pointee.isWoken {
            end = sleep(wanted: wanted, left)
        }
        if state.pointee.isWoken && end == .normal { end = .woken }
        state.pointee.isWoken = false
        if state.pointee.isSignalled {
            // Under the lock: cleared later, it would take a newer signal with it.
            if !isBesideRing { event?.clear() }
            state.pointee.isSignalled = false
        }
        if isWithoutThread && !isBesideRing { signalDescriptor() }
        answered.append(contentsOf: &state.pointee.answered)
        lock.unlock()
        return end
    }

    /// Waits under the lock, which it gives up meanwhile, and serves what nobody else can.
    private func sleep(wanted: Int, _ limit: WaitLimit) -> WaitEnd {
        var left = limit
        let deadline = limit.deadline()
        repeat {
            state.pointee.awaited = wanted
            let end = waitForProgress(left)
            state.pointee.awaited = 0
            if let deadline { left = WaitLimit(until: deadline) }
            guard end == .normal, isWithoutThread, !left.hasPassed else { return end }
            distribute(wanted: wanted, &left)
        } while state.pointee.answered.count < wanted && !state.pointee.isWoken
        return .normal
    }

    /// Whether only its owner can serve what is queued.
    var isStarving: Bool {
        lock.lock()
        defer { lock.unlock() }
        return isWithoutThread && !tryThread()
    }

    /// The owner does one request, for want of a thread.
    func serveStarving() {
        lock.lock()
        if isWithoutThread { serveForWantOfThread() }
        lock.unlock()
    }

    /// Under the lock: nobody serves what is queued unless its owner does, for a while at least. Beside a
    /// ring a thread that makes a long call is enough, since nothing quick is queued there.
    var isWithoutThread: Bool {
        if state.pointee.queued.isEmpty { return false }
        if state.pointee.threads == 0 { return true }
        return !isBesideRing && state.pointee.nextThreadTry != 0
            && state.pointee.threads <= state.pointee.inLongCall
    }

    /// Ends a wait, or makes the descriptor readable until the next `collect`. From any thread.
    func wake() {
        lock.lock()
        state.pointee.isWoken = true
        state.pointee.wasEverWoken = true
        unlockAndTell(announce())
    }

    /// Ends a request with ECANCELED that no thread has begun.
    func cancel(_ request: RequestPointer) {
        lock.lock()
        guard request.pointee.cSubmission.is_queued else { return lock.unlock() }
        request.pointee.cSubmission.is_queued = false
        state.pointee.queued.remove(request)
        request.pointee.result = -Int64(ECANCELED)
        state.pointee.unanswered -= 1
        state.pointee.answered.append(request)
        unlockAndTell(announce())
    }

    /// Requests that the owner did while it submitted.
    var inlineCompletions: UInt64 {
        lock.lock()
        defer { lock.unlock() }
        return state.pointee.inlineCompletions
    }

    /// Requests that the owner did because there was no thread.
    var pollerOperations: UInt64 {
        lock.lock()
        defer { lock.unlock() }
        return state.pointee.pollerOperations
    }

    /// Sends all threads away and waits until they have left. Nothing may be queued or running.
    func stop() {
        lock.lock()
        state.pointee.isStopping = true
        work.advance()
        work.wake(Int(CInt.max))
        watch.advance()
        watch.wake(1)
        while state.pointee.threads > 0 || state.pointee.watcher != .absent {
            departure.wait(lock)
        }
        lock.unlock()
    }

    /// Under the lock: tells the owner that there is an answer, by the descriptor unless it sleeps.
    /// True when it sleeps and is to be woken once the lock is given up.
    func announce() -> Bool {
        if state.pointee.awaited > 0 {
            let isEnough =
                state.pointee.isWoken || state.pointee.answered.count >= state.pointee.awaited
            guard isEnough && !state.pointee.isTold else { return false }
            state.pointee.isTold = true
            progress.advance()
            return true
        }
        signalDescriptor()
        return false
    }

    /// Under the lock: tells the owner that it has to serve. True as for `announce`.
    func announceWork() -> Bool {
        if state.pointee.awaited == 0 {
            if !isBesideRing { signalDescriptor() }
            return false
        }
        guard !state.pointee.isTold else { return false }
        state.pointee.isTold = true
        progress.advance()
        return true
    }

    private func signalDescriptor() {
        guard let event, !state.pointee.isSignalled else { return }
        state.pointee.isSignalled = true
        event.signal()
    }

    func unlockAndTell(_ isSleeping: Bool) {
        lock.unlock()
        if isSleeping { progress.wake(1) }
    }
}

// Who does what, all of it under the lock.
extension ThreadPool {
    private func take(_ pending: inout RequestFIFO) {
        var next = pending.head
        while let request = next {
            request.pointee.cSubmission.is_pending = false
            request.pointee.cSubmission.is_queued = true
            next = request.pointee.next
        }
        state.pointee.unanswered += pending.count
        state.pointee.queued.append(contentsOf: &pending)
        if state.pointee.threads == 0 { _ = tryThread() }
    }

    /// Gives what is queued to threads, and to the owner itself, whose time it takes from the limit. None
    /// is left without someone that will come to it.
    private func distribute(wanted: Int, _ limit: inout WaitLimit) {
        if isWithoutThread && !tryThread() {
            if !isBesideRing { serveStarving(wanted, &limit) }
            return
        }
        guard wanted > 0, isForOwner(wanted, limit) else { return wakeThreads(giveToThreads()) }
        wakeThreads(callThreads(besidesOwner: true))
        let deadline = limit.deadline()
        var done = 0
        while !state.pointee.isWoken, isForOwner(wanted, limit), serveNext() {
            done += 1
            if let deadline { limit = WaitLimit(until: deadline) }
            if state.pointee.answered.count < wanted { continue }
            // Others go on while it delivers, and somebody looks whether they do.
            if state.pointee.pace.isQuick && busy > 0 {
                if !state.pointee.queued.isEmpty { startWatch() }
                return
            }
            if done >= Self.ownShare { break }
        }
        wakeThreads(callThreads())
    }

    /// The owner does what no thread can be had for: one request if there is nothing to deliver, more
    /// only while it waits for them.
    private func serveStarving(_ wanted: Int, _ limit: inout WaitLimit) {
        if wanted == 0 && !state.pointee.answered.isEmpty { return }
        let deadline = limit.deadline()
        repeat {
            serveForWantOfThread()
            if let deadline { limit = WaitLimit(until: deadline) }
        } while state.pointee.answered.count < wanted && isWithoutThread
            && !state.pointee.isWoken && !limit.hasPassed
    }

    private func serveForWantOfThread() {
        serveNext()
        state.pointee.pollerOperations &+= 1
    }

    /// Gives what is queued to threads, but for what an owner does that only submits. Returns how many
    /// are to be woken.
    private func giveToThreads() -> Int {
        if let inlineLimit, isInline(upTo: inlineLimit) {
            wakeThreads(callThreads(besidesOwner: true))
            repeat {
                serveNext()
                state.pointee.inlineCompletions &+= 1
            } while isInline(upTo: inlineLimit)
            _ = announce()
        }
        return callThreads()
    }

    /// Whether the first request is one that an owner may do while it submits: a copy, and none took
    /// long lately, as when the memory has been swapped out.
    private func isInline(upTo limit: UInt64) -> Bool {
        guard let first = state.pointee.queued.head else { return false }
        return first.isTransfer(upTo: limit) && state.pointee.pace.isQuick
    }

    /// Whether an owner that waits for `wanted` is to do the first request itself. A copy of memory:
    /// that is always sooner. Another transfer only if the wait could not end without it, and if none
    /// was slow for long: a wait is over late when this one is.
    private func isForOwner(_ wanted: Int, _ limit: WaitLimit) -> Bool {
        guard !limit.hasPassed, let first = state.pointee.queued.head, first.isTransfer
        else { return false }
        let pace = state.pointee.pace
        if pace.areCopies && pace.isQuick { return true }
        guard wanted - state.pointee.answered.count >= state.pointee.unanswered else {
            return false
        }
        return pace.isQuick
            || pace.isPrompt && !state.pointee.wasEverWoken
                && limit.isAtLeast(RequestPace.promptSpan)
    }

    /// Threads that are at work on transfers or on their way.
    private var busy: Int { state.pointee.threads - state.pointee.idle - state.pointee.inLongCall }

    /// Calls as many threads as the queue needs, the owner not counted that begins with it. Returns how
    /// many are to be woken when the lock is given up.
    func callThreads(besidesOwner: Bool = false) -> Int {
        let coming = state.pointee.called + state.pointee.made
        let needed = state.pointee.queued.count - coming - (besidesOwner ? 1 : 0)
        var wanted = needed
        if state.pointee.pace.isQuick {
            // No more than can run, and none for less than the owner has done before it comes.
            if besidesOwner { wanted = state.pointee.queued.count / Self.quickCall }
            wanted = min(wanted, processors - busy - (besidesOwner ? 1 : 0))
            if !besidesOwner && wanted < needed { startWatch() }
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

    /// Gives up the lock for it.
    private func wakeThreads(_ threads: Int) {
        if threads == 0 { return }
        lock.unlock()
        work.wake(threads)
        lock.lock()
    }

    /// Sleeps, and gives up the lock meanwhile.
    private func waitForProgress(_ limit: WaitLimit) -> WaitEnd {
        var left = limit
        let deadline = limit.deadline()
        while state.pointee.answered.count < state.pointee.awaited && !state.pointee.isWoken
            && !isWithoutThread
        {
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
}
