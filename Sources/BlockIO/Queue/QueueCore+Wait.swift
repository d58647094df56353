import BlockHost
import Glibc

// The last station: waiting for the engine, and handing completions to the caller.
extension QueueCore {
    /// Submits what is pending and collects what has ended, waiting until `minimum` requests (or
    /// all there are) can be delivered. Returns how many can.
    mutating func collect(minimum: Int, timeout: Duration?) -> Int {
        giveBackMemory()
        if isClosed { return finished.count }
        readMail()
        closeIfDrained()
        if isClosed { return finished.count }
        let wanted = min(minimum, outstanding)
        if finished.count < wanted {
            if let timeout {
                wait(until: wanted, timeout)
            } else {
                repeat {
                    let end = step(minimum: awaited(wanted - finished.count), limit: .forever)
                    if end == .interrupted { break }
                } while finished.count < wanted
            }
        } else if minimum > 0 && outstanding == 0 && (timeout != nil || mailbox.isInUse) {
            idle(timeout)
        } else {
            step(minimum: 0, limit: .nanoseconds(0))
        }
        closeIfDrained()
        return finished.count
    }

    /// Gives back slots that a crowd of requests has left.
    @inline(__always)
    mutating func giveBackMemory() { slab.trim(&free, outstanding: outstanding) }

    private mutating func wait(until wanted: Int, _ timeout: Duration) {
        var limit = WaitLimit(timeout)
        let deadline = limit.deadline()
        while finished.count < wanted {
            let end = step(minimum: awaited(wanted - finished.count), limit: limit)
            if end == .interrupted { return }
            if let deadline, finished.count < wanted {
                limit = WaitLimit(until: deadline)
                if limit.hasPassed { return }
            }
        }
    }

    /// How many answers of the engine `count` requests wait for at least. One where an answer may be what
    /// another request or the next operation of the same one waits for, and where what another
    /// thread leaves in the mailbox must be seen at once.
    private func awaited(_ count: Int) -> Int {
        // Where there are several files, whatever is under way belongs to requests that are composite.
        let blocked = files.base.pointee.tracked.blockedCount
        let isSimple = composite == 0 && blocked == 0 && !mailbox.isInUse
        return isSimple ? count : 1
    }

    /// Waits although nothing is under way: for a remote call, a signal or the end of the limit.
    private mutating func idle(_ timeout: Duration?) {
        var limit = WaitLimit(timeout)
        let deadline = limit.deadline()
        repeat {
            if step(minimum: 1, limit: limit) != .normal { return }
            if let deadline { limit = WaitLimit(until: deadline) }
        } while finished.isEmpty && !limit.hasPassed
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
        closeIfDrained()
        submitUnlessPlugged()
        return completion
    }

    /// Waits until everything has ended, and shuts the engine down. What has not been delivered
    /// still can be.
    mutating func close() {
        if !isClosed { checkOwner() }
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
        counters.pollerOperations = engine.pollerOperations
        mailbox.detach()
        engine.destroy()
        for index in 0..<files.count { files[index].pointee.tracked.releaseMemory() }
        releaseWork()
        image.releaseQueue()
    }

    /// One visit to the engine.
    @discardableResult
    private mutating func step(minimum: Int, limit: WaitLimit) -> WaitEnd {
        checkOwner()
        // Here the descriptor becomes quiet, whatever is left in `finished`.
        isWoken = false
        // What is submitted from here on in a batch is later than what came before.
        batchClock = 0
        let before = pending.count
        let end = engine.reap(
            minimum: minimum, limit: limit, pending: &pending, finished: &ended)
        counters.kernelRequests &+= UInt64(before &- pending.count)
        settleEnded()
        if composite != 0 && !postponed.isEmpty { goOnPostponed() }
        readMail()
        // Pieces and retries that `settle` has sent back.
        if !pending.isEmpty { giveToEngine() }
        return end
    }

    // MARK: Cancelling

    /// Ends a request early if it can be: at once while it waits here, by asking the engine when it
    /// is there. Its one completion says what became of it.
    mutating func cancel(_ id: RequestID) {
        guard let request = slab.request(at: id.address),
            request.pointee.generation == id.generation, !isClosed
        else { return }
        checkOwner()
        request.makeUnusual()
        cancel(request)
        runFollowers()
        submitUnlessPlugged()
    }

    /// The same for a request that is not plain; others may be runnable afterwards.
    mutating func cancel(_ request: RequestPointer) {
        request.pointee.isCancelled = true
        if request.pointee.phase == .children { return cancelChildren(of: request) }
        if !takeOut(request) { return engine.cancel(request) }
        if request.pointee.phase == .synchronize {
            endCancelledFlush(file(of: request))
        } else {
            finish(request, .cancelled)
        }
    }

    /// Takes a request out of the list of the queue that it is in; false when the engine has it.
    private mutating func takeOut(_ request: RequestPointer) -> Bool {
        if request.operation.pointee.is_pending {
            request.operation.pointee.is_pending = false
            pending.remove(request)
            return true
        }
        switch request.pointee.place {
        case .elsewhere: return request.pointee.phase == .blocked
        case .heldBack: file(of: request).pointee.heldBack.remove(request)
        case .joinedFlush: file(of: request).pointee.flushes.joined.remove(request)
        case .waitingForFlush: file(of: request).pointee.flushes.waiting.remove(request)
        }
        request.pointee.place = .elsewhere
        return true
    }

    @inline(__always)
    private mutating func readMail() {
        if mailbox.hasMail { obeyMail() }
    }

    @inline(never)
    private mutating func obeyMail() {
        for message in mailbox.takeAll() {
            switch message {
            case .cancel(let id): cancel(id)
            case .close: isClosing = true
            }
        }
    }
}
