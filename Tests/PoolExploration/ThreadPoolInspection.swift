import BlockIO

/// What the exploration of the thread pool's schedules (Tests/PoolExploration) sees of a pool. To be
/// made while no thread runs that uses the queue, and while the pool's lock is free.
struct ThreadPoolInspection {
    /// Requests that no thread has begun.
    let queued: Int
    /// The owner sleeps in a wait, although what it waits for has happened.
    let isOwnerForgotten: Bool
    /// What contradicts itself.
    let contradiction: StaticString?

    /// `nil` when the queue has no thread pool of its own, or is closed.
    init?(_ queue: BlockQueue) {
        guard let pool = queue.threadPool else { return nil }
        let state = pool.state
        queued = state.pointee.queued.count
        isOwnerForgotten =
            state.pointee.awaited > 0
            && (state.pointee.isWoken || state.pointee.answered.count >= state.pointee.awaited)
        contradiction =
            Self.contradiction(in: pool)
            ?? Self.contradiction(
                in: queue.pendingRequests, isPending: true, isQueued: false,
                "a pending request is not marked as pending alone")
    }

    private static func contradiction(in pool: ThreadPool) -> StaticString? {
        let state = pool.state
        let threads = state.pointee.threads
        if threads < 0 || threads > pool.threadLimit { return "too many threads, or too few" }
        let (idle, called) = (state.pointee.idle, state.pointee.called)
        let looking = state.pointee.looking
        let (made, slow) = (state.pointee.made, state.pointee.inLongCall)
        if min(idle, called, made, slow, looking) < 0 { return "a count of threads is below 0" }
        // The owner may make a slow call beside them.
        if slow > threads + 1 { return "more threads are slow than there are" }
        if idle + called + made + looking > threads {
            return "more threads sleep or come than there are"
        }
        if state.pointee.unanswered < state.pointee.queued.count + state.pointee.deferred.count {
            return "more requests are queued than unfinished"
        }
        return contradiction(
            in: state.pointee.queued, isPending: false, isQueued: true,
            "a queued request is not marked as queued alone")
            ?? contradiction(
                in: state.pointee.deferred, isPending: false, isQueued: true,
                "a deferred request is not marked as queued")
            ?? contradiction(
                in: state.pointee.answered, isPending: false, isQueued: false,
                "an ended request is marked as queued or pending")
    }

    private static func contradiction(
        in list: RequestFIFO, isPending: Bool, isQueued: Bool, _ text: StaticString
    ) -> StaticString? {
        var count = 0
        var next = list.head
        while let request = next {
            if request.isPending != isPending || request.isQueued != isQueued { return text }
            count += 1
            next = request.pointee.next
        }
        return count == list.count ? nil : "a list has another length than it says"
    }
}
