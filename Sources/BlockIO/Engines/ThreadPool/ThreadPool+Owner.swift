import BlockHost
import Glibc
import Synchronization

// What the owner does with what is queued: it serves, or calls threads. Under the lock, but for the only request.
extension ThreadPool {
    /// Without the lock, but to note what the call took: the owner waits for `request` within the limit, and
    /// nothing else is in flight, so no thread touches the lists or the pace. Serves the request if the policy
    /// says so.
    func serveOnlyRequest(_ request: RequestPointer, _ limit: WaitLimit) -> Bool {
        let woken = wakes.load(ordering: .relaxed)
        guard woken == state.pointee.seenWakes, request.isTransfer else { return false }
        let bytes = request.pointee.cSubmission.length
        let situation = ServingPolicy.Situation(
            pace: state.pointee.pace.kind, firstTransfer: bytes)
        let wait = ServingPolicy.Wait(limit: limit, isInterruptible: woken != 0)
        guard policy.ownerShare(situation, wait) > 0 else { return false }
        // The clock is read once only, where that is enough to see that the request was quick.
        let isExact = state.pointee.isStartUnknown
        let start = isExact ? monotonicNanoseconds() : request.pointee.started
        if isExact && policy.inlineLimit != nil {
            lock.lock()
            state.pointee.ownerSleeps.prepare()
            lock.unlock()
        }
        request.pointee.result = makeCall(for: request)
        let span = monotonicNanoseconds() &- start
        // The watcher may look at the state.
        lock.lock()
        let isQuick = state.pointee.pace.noteQuick(atMost: span, bytes: bytes)
        if isExact && !isQuick {
            state.pointee.pace.note(span, bytes: bytes, &state.pointee.ownerSleeps)
        }
        state.pointee.isStartUnknown = !isQuick
        lock.unlock()
        request.pointee.cSubmission.is_pending = false
        return true
    }

    /// Takes all of `pending`.
    func take(_ pending: inout RequestFIFO) {
        var next = pending.head
        while let request = next {
            request.pointee.cSubmission.is_pending = false
            request.pointee.cSubmission.is_queued = true
            if !request.isTransfer { state.pointee.unansweredLongCalls += 1 }
            next = request.pointee.next
        }
        state.pointee.unanswered += pending.count
        state.pointee.queued.append(contentsOf: &pending)
        if state.pointee.threads == 0 { _ = tryThread() }
    }

    /// Gives what is queued to threads, and to the owner itself, whose time it takes from the limit. None
    /// is left without someone that will come to it.
    func distribute(wanted: Int, _ limit: inout WaitLimit) {
        if isWithoutThread && !tryThread() {
            if !isBesideRing { serveStarving(wanted, &limit) }
            return
        }
        guard ownerShare(wanted, limit) > 0 else { return wakeThreads(giveToThreads()) }
        serveAsOwner(wanted, &limit)
    }

    private func serveAsOwner(_ wanted: Int, _ limit: inout WaitLimit) {
        wakeThreads(callThreads(.serves))
        // Only now: it leaves a part to threads that have been called.
        var share = ownerShare(wanted, limit)
        var deadline = state.pointee.answered.count + share < wanted ? limit.deadline() : nil
        var done = 0
        while share > 0 && !state.pointee.isWoken {
            done += serveShare(of: share)
            if let deadline { limit = WaitLimit(until: deadline) }
            if state.pointee.answered.count >= wanted {
                guard policy.ownerContinues(after: done, atWork: atWork) else { break }
            } else if deadline == nil {
                deadline = limit.deadline()
            }
            share = ownerShare(wanted, limit)
        }
        if state.pointee.queued.isEmpty { return }
        // Threads at work on copies go on while it delivers, and somebody looks whether they do.
        let hasEnough = state.pointee.answered.count >= wanted
        wakeThreads(callThreads(hasEnough ? .delivers : .elsewhere))
    }

    /// Serves up to `limit` requests without the lock. Returns how many it was.
    private func serveShare(of limit: Int) -> Int {
        var share = RequestFIFO()
        var bytes: UInt64 = 0
        while share.count < limit, let next = state.pointee.queued.head, next.isTransfer {
            let length = next.pointee.cSubmission.length
            if !share.isEmpty && bytes &+ length > ServingPolicy.shareBytes { break }
            bytes &+= length
            _ = state.pointee.queued.popFirst()
            next.pointee.cSubmission.is_queued = false
            share.append(next)
        }
        let count = share.count
        state.pointee.taken &+= UInt64(count)
        if policy.inlineLimit != nil { state.pointee.ownerSleeps.prepare() }
        lock.unlock()
        let start = monotonicNanoseconds()
        var next = share.head
        while let request = next {
            next = request.pointee.next
            request.pointee.result = makeCall(for: request)
        }
        let span = monotonicNanoseconds() &- start
        lock.lock()
        state.pointee.pace.note(
            span, requests: count, bytes: bytes, &state.pointee.ownerSleeps)
        state.pointee.unanswered -= count
        state.pointee.answered.append(contentsOf: &share)
        return count
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

    func serveForWantOfThread() {
        var server = Server()
        if serveNext(&server) { state.pointee.pollerOperations &+= 1 }
    }

    /// Gives what is queued to threads, but for what an owner does that only submits. Returns how many
    /// are to be woken.
    func giveToThreads() -> Int {
        if servesAtSubmission {
            wakeThreads(callThreads(.serves))
            var server = Server()
            server.sleeps = state.pointee.ownerSleeps
            // A thread may have taken what it was called for: what is first now can be of another kind.
            while servesAtSubmission {
                serveNext(&server)
                state.pointee.inlineCompletions &+= 1
            }
            state.pointee.ownerSleeps = server.sleeps
            _ = announce()
        }
        return callThreads(.elsewhere)
    }

    private var servesAtSubmission: Bool {
        policy.ownerServesAtSubmission(
            state.pointee.pace.kind, firstTransfer: state.pointee.queued.firstTransfer)
    }

    /// How many requests an owner that waits for `wanted` answers is to serve now.
    private func ownerShare(_ wanted: Int, _ limit: WaitLimit) -> Int {
        policy.ownerShare(
            situation,
            ServingPolicy.Wait(
                missing: wanted - state.pointee.answered.count,
                unanswered: state.pointee.unanswered, limit: limit,
                isInterruptible: wakes.load(ordering: .relaxed) != 0))
    }

    var situation: ServingPolicy.Situation {
        ServingPolicy.Situation(
            pace: state.pointee.pace.kind, queued: state.pointee.queued.count,
            firstTransfer: state.pointee.queued.firstTransfer, atWork: atWork,
            coming: state.pointee.called + state.pointee.made + state.pointee.looking,
            promptLimit: state.pointee.tuning.limit)
    }

    /// Threads that are at work on transfers or on their way.
    var atWork: Int {
        state.pointee.threads - state.pointee.idle - state.pointee.inLongCall
    }

    /// Calls as many threads as the queue needs, the owner not counted that begins with it. Returns how
    /// many are to be woken when the lock is given up.
    func callThreads(_ owner: ServingPolicy.Owner) -> Int {
        if state.pointee.queued.isEmpty { return 0 }
        // Those that look come by themselves, and sooner for this.
        if state.pointee.looking > 0 { work.advance() }
        var (wanted, areShared) = policy.threadsToCall(situation, owner)
        if areShared { startWatch() }
        while wanted > state.pointee.idle, state.pointee.threads < threadLimit, tryThread() {
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
    func wakeThreads(_ threads: Int) {
        if threads == 0 { return }
        lock.unlock()
        work.wake(threads)
        lock.lock()
    }
}

extension RequestFIFO {
    /// Length of the first request; `nil` when there is none, or when it is not a read or a write.
    fileprivate var firstTransfer: UInt64? {
        guard let head, head.isTransfer else { return nil }
        return head.pointee.cSubmission.length
    }
}
