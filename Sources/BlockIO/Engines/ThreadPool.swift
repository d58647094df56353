import CBlockIO
import Glibc

/// Threads that serve requests of one queue: all of them, or those the kernel has no asynchronous
/// call for.
///
/// A thread is added when there is work that no idle one is there for, up to the limit; one that
/// has been idle for long leaves. How many are called for a batch depends on what requests were seen
/// to do (``RequestPace``): where they sleep, a thread for each; where the kernel does them on the
/// spot, no more than there are processors. An owner that waits does requests itself rather than
/// hand them over and sleep, when that keeps it from nothing else; where they are copies of memory
/// one that submits does too.
///
/// Safe to share: all state is under the lock. Who is to be woken is woken after it is given up.
final class ThreadPool: @unchecked Sendable {
    /// The queue keeps it. Not owned here: a thread on its way out still holds the pool for a
    /// moment after `stop`, and an image that is released gives back its locks at once.
    unowned let image: BlockImage
    private let threadLimit: Int
    let lock = PthreadMutex()
    /// The last thread has left.
    let departure = PthreadCondition()
    /// A futex(2) that idle threads sleep on: there is work, or the pool stops.
    let work: Futex
    /// A futex(2) that the owner sleeps on: as many have ended as it waits for, or it is woken. No
    /// condition variable, since a signal has to end the wait.
    private let progress: Futex
    /// Made readable when something has ended and nobody waits; -1 for none.
    private let eventDescriptor: CInt
    /// Whether the descriptor is this pool's to clear, or its owner's.
    private let clearsDescriptor: Bool
    private let processors: Int
    /// Up to so many bytes are moved by the owner while it submits; `nil` when none are.
    private let inlineLimit: UInt64?
    let state: UnsafeMutablePointer<State>

    struct State {
        var queued = RequestFIFO()
        var ended = RequestFIFO()
        /// Requests that are queued or being served.
        var unfinished = 0
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
        /// Others have something to say to the owner.
        var wasEverWoken = false
        var isStopping = false
        var pace: RequestPace
        /// Requests that the owner did while it submitted.
        var inlineCompletions: UInt64 = 0
    }

    /// Requests that an owner does itself before it delivers what it has waited for.
    private static let ownShare = 16

    init(
        image: BlockImage, threadLimit: Int, eventDescriptor: CInt, clearsDescriptor: Bool,
        inlineLimit: UInt64? = nil, processors: Int = sysconf(CInt(_SC_NPROCESSORS_ONLN))
    ) {
        self.inlineLimit = inlineLimit
        self.processors = max(1, processors)
        self.image = image
        self.threadLimit = threadLimit
        self.eventDescriptor = eventDescriptor
        self.clearsDescriptor = clearsDescriptor
        work = Futex()
        progress = Futex()
        state = .allocate(capacity: 1)
        state.initialize(to: State(pace: RequestPace(areCopies: inlineLimit != nil)))
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Takes all of `pending`, unless there is no thread at all and none can be made.
    func enqueue(_ pending: inout RequestFIFO) {
        lock.lock()
        take(&pending)
        let called = giveToThreads()
        lock.unlock()
        if called > 0 { work.wake(called) }
    }

    /// Takes `pending` as `enqueue` does, then moves what has ended to `finished`. With a `minimum` above
    /// 0 it first waits until there is so much, or all; or until `wake` is called, the limit has passed
    /// or a signal came.
    @discardableResult
    func collect(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, into finished: inout RequestFIFO
    ) -> WaitEnd {
        var end = WaitEnd.normal
        lock.lock()
        if !pending.isEmpty { take(&pending) }
        let all = state.pointee.unfinished + state.pointee.ended.count
        // Not for what no thread could be had for.
        let isWaiting = minimum > 0 && (all > 0 || pending.isEmpty)
        let wanted = isWaiting ? max(1, min(minimum, all)) : 0
        var left = limit
        if !state.pointee.queued.isEmpty { distribute(wanted: wanted, &left) }
        if state.pointee.ended.count < wanted && !state.pointee.isWoken {
            state.pointee.awaited = wanted
            end = waitForProgress(left)
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
        guard state.pointee.queued.remove(request) else { return lock.unlock() }
        request.pointee.result = -Int64(ECANCELED)
        state.pointee.unfinished -= 1
        state.pointee.ended.append(request)
        unlockAndTell(announce())
    }

    /// Requests that the owner did while it submitted.
    var inlineCompletions: UInt64 {
        lock.lock()
        defer { lock.unlock() }
        return state.pointee.inlineCompletions
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
    func announce() -> Bool {
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

    func unlockAndTell(_ isSleeping: Bool) {
        lock.unlock()
        if isSleeping { progress.wake(1) }
    }
}

// Who does what, all of it under the lock.
extension ThreadPool {
    private func take(_ pending: inout RequestFIFO) {
        guard state.pointee.threads > 0 || addThread() else { return }
        state.pointee.unfinished += pending.count
        state.pointee.queued.append(contentsOf: &pending)
    }

    /// Gives what is queued to threads, and to the owner itself, whose time it takes from the limit. None
    /// is left without someone that will come to it.
    private func distribute(wanted: Int, _ limit: inout WaitLimit) {
        guard wanted > 0, isForOwner(wanted, limit) else { return wakeThreads(giveToThreads()) }
        wakeThreads(callThreads(besidesOwner: true))
        let deadline = limit.deadline()
        var done = 0
        while !state.pointee.queued.isEmpty, !state.pointee.isWoken, isForOwner(wanted, limit) {
            done += serveShare()
            if let deadline { limit = WaitLimit(until: deadline) }
            if state.pointee.ended.count < wanted { continue }
            // Others go on while it delivers.
            if state.pointee.pace.isQuick && busy > 0 { return }
            if done >= Self.ownShare { break }
        }
        wakeThreads(callThreads())
    }

    /// Gives what is queued to threads, but for what an owner does that only submits. Returns how many
    /// are to be woken.
    private func giveToThreads() -> Int {
        if let inlineLimit, isInline(upTo: inlineLimit) {
            wakeThreads(callThreads(besidesOwner: true))
            repeat {
                state.pointee.inlineCompletions += UInt64(serveShare(upTo: inlineLimit))
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

    /// Whether an owner that waits for `wanted` is to do a request itself. If it is quick that is always
    /// sooner. Otherwise only if the wait could not end without it, and if none was slow for long: a
    /// wait is over late when this one is.
    private func isForOwner(_ wanted: Int, _ limit: WaitLimit) -> Bool {
        if limit.hasPassed { return false }
        if state.pointee.pace.isQuick { return true }
        return state.pointee.pace.isPrompt && !state.pointee.wasEverWoken
            && wanted - state.pointee.ended.count >= state.pointee.unfinished
            && limit.isAtLeast(RequestPace.promptSpan)
    }

    /// Threads that are at work or on their way.
    private var busy: Int { state.pointee.threads - state.pointee.idle }

    /// Calls as many threads as the queue needs, the owner not counted that begins with it. Returns how
    /// many are to be woken when the lock is given up.
    private func callThreads(besidesOwner: Bool = false) -> Int {
        var wanted = state.pointee.queued.count - state.pointee.called - (besidesOwner ? 1 : 0)
        if state.pointee.pace.isQuick {
            // No more than can run, and none for less than the owner has done before it comes.
            if besidesOwner { wanted = state.pointee.queued.count / Self.quickCall }
            wanted = min(wanted, processors - busy - (besidesOwner ? 1 : 0))
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
}
