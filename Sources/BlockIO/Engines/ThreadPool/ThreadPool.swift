package import BlockHost
import CBlockIO
import Glibc
import Synchronization

/// Threads that serve requests of one queue: all of them, or those the kernel has no asynchronous
/// call for.
///
/// Who serves a request, the owner of the queue or a thread, and how many threads are called, is decided by
/// ``ServingPolicy``. This class has the mechanism: two lists under one lock, `queued` and `answered`, and the
/// words on which threads and the owner sleep.
///
/// - A thread takes one request at a time and tells of its end at once, so that none waits for what another's
///   neighbour does. While there are requests it does not sleep.
/// - The owner may take several copies at a time: it delivers nothing before it has served them anyway.
/// - An owner that waits for the only request there is serves it without the lock (`serveOnlyRequest`).
/// - A thread, or the owner, that runs out of work on copies looks for news for a moment before it sleeps, and
///   whoever has news wakes only those that sleep, once for each batch.
/// - A call that is not a transfer, a *long call*, may take as long as it likes. One thread is left to transfers: as
///   long as all others make long calls, further ones wait in `deferred`.
/// - A watcher calls more threads when those that serve come to a halt, and tells the owner of answers
///   of which threads have not told it yet.
///
/// A thread is added when there is work that no idle one is there for, up to the limit; one that
/// has been idle for long leaves.
///
/// While the system gives no thread, the pool is *starving*: the owner serves a request each time it
/// looks, and the descriptor stays readable so that it does.
///
/// Safe to share, although unchecked: all state is under the lock, or the owner's while it knows of no request
/// without an answer that it has taken: then no thread touches the lists or the pace. Who is to be woken is woken
/// after the lock is given up.
package final class ThreadPool: @unchecked Sendable {
    /// The queue keeps it. Not owned here: a thread on its way out still holds the pool for a
    /// moment after `stop`, and an image that is released gives back its locks at once.
    unowned let image: BlockImage
    package let threadLimit: Int
    /// How many long calls are made at the same time.
    let longCallLimit: Int
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
    let isBesideRing: Bool
    let policy: ServingPolicy
    /// Of the first host file, which is the only one of most images.
    private let descriptor: CInt
    /// Calls of `wake` so far.
    let wakes = Atomic<UInt32>(0)
    package let state: StablePointer<State>

    package struct State {
        package var queued = RequestFIFO()
        /// Long calls that had been the first in `queued`, and that wait for the end of another.
        package var deferred = RequestFIFO()
        package var answered = RequestFIFO()
        /// Requests that are queued or being served.
        package var unanswered = 0
        /// Those of them that are long calls.
        var unansweredLongCalls = 0
        package var threads = 0
        /// Threads that sleep.
        package var idle = 0
        /// Threads that look for work a few times before they sleep.
        package var looking = 0
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
        /// The owner looks for answers a few times before it sleeps, so that nobody has to wake it.
        var isOwnerLooking = false
        /// It has been told and has not looked since.
        var isTold = false
        var isSignalled = false
        /// Nobody needs to be told by the descriptor.
        var isUnwatched = false
        package var isWoken = false
        /// ``ThreadPool/wakes`` when the owner last came to the lock. The owner's.
        var seenWakes: UInt32 = 0
        /// When the only request was made says too little of the time that it took. The owner's.
        var isStartUnknown = false
        var ownerHabit = LookHabit()
        var ownerSleeps = ThreadSleeps()
        var isStopping = false
        package var pace: RequestPace
        package var tuning = ThreadTuning()
        /// Requests that the owner did while it submitted.
        var inlineCompletions: UInt64 = 0
        /// Requests that the owner did because there was no thread.
        var pollerOperations: UInt64 = 0
    }

    init(
        image: BlockImage, threadLimit: Int, event: Event?, isBesideRing: Bool,
        inlineLimit: UInt64? = nil, processors: Int = sysconf(CInt(_SC_NPROCESSORS_ONLN))
    ) {
        policy = ServingPolicy(processors: processors, inlineLimit: inlineLimit)
        self.image = image
        descriptor = image.files[0].descriptor
        self.threadLimit = threadLimit
        // Beside a ring there is nothing else.
        longCallLimit = isBesideRing ? threadLimit : max(1, threadLimit - 1)
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
        state.pointee.seenWakes = wakes.load(ordering: .relaxed)
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
            var end = WaitEnd.normal
            if policy.mayWaitForMany(state.pointee.pace.kind) {
                end = waitForMany(wanted, left)
                if let deadline { left = WaitLimit(until: deadline) }
            }
            if end == .normal && !left.hasPassed {
                end = waitForAnswers(wanted, left)
                if let deadline { left = WaitLimit(until: deadline) }
            }
            guard end == .normal, isWithoutThread, !left.hasPassed else { return end }
            distribute(wanted: wanted, &left)
        } while state.pointee.answered.count < wanted && !state.pointee.isWoken
        return .normal
    }

    /// While threads are busy, sleeps for a moment until there are more answers than the owner waits for.
    private func waitForMany(_ wanted: Int, _ limit: WaitLimit) -> WaitEnd {
        let many = policy.answersWorthAWake(situation, wanted: wanted)
        if many == wanted { return .normal }
        return waitForAnswers(many, limit.atMost(Int64(ServingPolicy.tellDelay)))
    }

    private func waitForAnswers(_ count: Int, _ limit: WaitLimit) -> WaitEnd {
        state.pointee.awaited = count
        defer { state.pointee.awaited = 0 }
        return waitForProgress(limit)
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
        wakes.wrappingAdd(1, ordering: .relaxed)
        unlockAndTell(announce())
    }

    /// Ends a request with ECANCELED that no thread has begun.
    func cancel(_ request: RequestPointer) {
        lock.lock()
        guard request.pointee.cSubmission.is_queued else { return lock.unlock() }
        request.pointee.cSubmission.is_queued = false
        if request.pointee.cSubmission.is_deferred {
            request.pointee.cSubmission.is_deferred = false
            state.pointee.deferred.remove(request)
        } else {
            state.pointee.queued.remove(request)
        }
        request.pointee.result = -Int64(ECANCELED)
        state.pointee.unanswered -= 1
        if !request.isTransfer { state.pointee.unansweredLongCalls -= 1 }
        state.pointee.answered.append(request)
        unlockAndTell(announce())
    }

    /// Long calls that have no answer yet.
    var unansweredLongCalls: Int {
        lock.lock()
        defer { lock.unlock() }
        return state.pointee.unansweredLongCalls
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
            return isEnough && tellOwner()
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
        return tellOwner()
    }

    /// Once for each wait. True when the owner sleeps and is to be woken.
    private func tellOwner() -> Bool {
        guard !state.pointee.isTold else { return false }
        state.pointee.isTold = true
        progress.advance()
        return !state.pointee.isOwnerLooking
    }

    func signalDescriptor() {
        guard let event, !state.pointee.isSignalled, !state.pointee.isUnwatched else { return }
        state.pointee.isSignalled = true
        event.signal()
    }

    /// Whether anybody watches the descriptor. What was not told meanwhile is told now.
    func setDescriptorWatched(_ isWatched: Bool) {
        lock.lock()
        state.pointee.isUnwatched = !isWatched
        if !state.pointee.answered.isEmpty || state.pointee.isWoken || isWithoutThread {
            signalDescriptor()
        }
        lock.unlock()
    }

    func unlockAndTell(_ isSleeping: Bool) {
        lock.unlock()
        if isSleeping { progress.wake(1) }
    }
}

extension ThreadPool {
    /// Makes the blocking call of a request. Returns the bytes moved, or -errno.
    @inline(__always)
    func makeCall(for request: RequestPointer) -> Int64 {
        let file = request.pointee.cSubmission.file
        if request.isTransfer && file == 0 {
            return unsafe cbio_transfer(descriptor, request.cSubmission)
        }
        return image.files[Int(file)].makeBlockingCall(for: request)
    }

    /// Under the lock, which it gives up meanwhile: sleeps until there are as many answers as the owner waits for.
    private func waitForProgress(_ limit: WaitLimit) -> WaitEnd {
        var left = limit
        let deadline = limit.deadline()
        var mayLook =
            policy.looksBeforeSleep(state.pointee.pace.kind) && !limit.hasPassed
            && state.pointee.ownerHabit.shouldLook()
        while state.pointee.answered.count < state.pointee.awaited && !state.pointee.isWoken
            && !isWithoutThread
        {
            let seen = progress.value
            state.pointee.isTold = false
            if mayLook {
                mayLook = false
                lookForAnswers(seen)
                continue
            }
            lock.unlock()
            let result = progress.wait(seen, left)
            lock.lock()
            state.pointee.ownerSleeps.forget()
            if result == -EINTR { return .interrupted }
            if result == -ETIMEDOUT { return .normal }
            if let deadline { left = WaitLimit(until: deadline) }
        }
        return .normal
    }

    /// Under the lock, which it gives up meanwhile.
    private func lookForAnswers(_ seen: UInt32) {
        state.pointee.isOwnerLooking = true
        lock.unlock()
        let hadNews = progress.spin(seen, rounds: LookHabit.rounds)
        lock.lock()
        state.pointee.isOwnerLooking = false
        state.pointee.ownerHabit.note(hadNews)
    }
}
