import Glibc

// The last station: waiting for the engine, and handing completions to the caller.
extension QueueCore {
    /// Submits what is pending and collects what has ended, waiting until `minimum` requests (or
    /// all there are) can be delivered. Returns how many can.
    mutating func collect(minimum: Int, timeout: Duration?) -> Int {
        if isClosed { return finished.count }
        readMail()
        let wanted = min(minimum, outstanding)
        guard finished.count < wanted else {
            step(minimum: 0, limit: .nanoseconds(0))
            wakeIfStuck()
            closeIfDrained()
            return finished.count
        }
        var limit = WaitLimit.forever
        var deadline: timespec?
        if let timeout {
            limit = WaitLimit(timeout)
            deadline = limit.deadline()
        }
        while finished.count < wanted {
            // What another thread leaves in the mailbox must be seen at once.
            let minimum = mailbox.isInUse ? 1 : wanted - finished.count
            let end = step(minimum: minimum, limit: limit)
            if end == .interrupted { break }
            if let deadline, finished.count < wanted {
                limit = WaitLimit(until: deadline)
                if limit.hasPassed { break }
            }
        }
        wakeIfStuck()
        closeIfDrained()
        return finished.count
    }

    /// One wait that a wake ends, whether or not anything is outstanding.
    mutating func sleep() {
        if !isClosed { step(minimum: finished.isEmpty ? 1 : 0, limit: .forever) }
    }

    /// Waits for a request made with ``IORequest/Route/waiter``, and frees its slot. Others that
    /// end meanwhile are left to `poll`.
    mutating func wait(for id: RequestID) -> BlockCompletion {
        let request = id.request.unsafelyUnwrapped
        while request.pointee.route != .waiterDone { step(minimum: 1, limit: .forever) }
        let completion = request.pointee.completion
        outstanding &-= 1
        recycle(request)
        submitUnlessPlugged()
        return completion
    }

    /// Waits until everything has ended, and shuts the engine down. What has not been delivered
    /// still can be.
    mutating func close() {
        isClosing = true
        while !isClosed {
            closeIfDrained()
            if !isClosed { step(minimum: 1, limit: .forever) }
        }
    }

    @inline(__always)
    private mutating func closeIfDrained() {
        if isClosing && !isClosed && finished.count == outstanding { shutDown() }
    }

    @inline(never)
    private mutating func shutDown() {
        isClosed = true
        counters.inlineCompletions = engine.inlineCompletions
        mailbox.detach()
        engine.destroy()
        image.releaseQueue()
    }

    /// One visit to the engine.
    @discardableResult
    private mutating func step(minimum: Int, limit: WaitLimit) -> WaitEnd {
        // Here the descriptor becomes quiet, whatever is left in `finished`.
        isWoken = false
        let before = pending.count
        let end = engine.reap(
            minimum: minimum, limit: limit, pending: &pending, finished: &ended)
        counters.kernelRequests &+= UInt64(before &- pending.count)
        settleEnded()
        readMail()
        // Pieces and retries that `settle` has sent back.
        if !pending.isEmpty { giveToEngine() }
        return end
    }

    // MARK: Cancelling

    /// Ends a request early if it can be: at once while it waits here, by asking the engine when it
    /// is there. Its one completion says what became of it.
    mutating func cancel(_ id: RequestID) {
        guard let request = id.request, request.pointee.generation == id.generation, !isClosed
        else { return }
        request.makeUnusual()
        request.pointee.isCancelled = true
        if request.pointee.phase == .blocked || pending.remove(request) {
            finish(request, .cancelled)
            submitUnlessPlugged()
        } else {
            engine.cancel(request)
        }
    }

    @inline(__always)
    private mutating func readMail() {
        if mailbox.hasMail { obeyMail() }
    }

    @inline(never)
    private mutating func obeyMail() {
        while let message = mailbox.take() {
            switch message {
            case .cancel(let id): cancel(id)
            case .close: isClosing = true
            }
        }
    }
}
