import BlockHost
import Glibc

// Waits other than the plain one of `collect`, closing, and cancelling.
extension QueueCore {
    /// Gives back slots that a crowd of requests has left.
    @inline(__always)
    mutating func giveBackMemory() { slab.trim(&free, outstanding: outstanding) }

    mutating func wait(until wanted: Int, _ timeout: Duration) {
        var limit = WaitLimit(timeout)
        let deadline = limit.deadline()
        while completed.count < wanted {
            let end = step(minimum: awaited(wanted - completed.count), limit: limit)
            if end == .interrupted { return }
            if let deadline, completed.count < wanted {
                limit = WaitLimit(until: deadline)
                if limit.hasPassed { return }
            }
        }
    }

    /// Waits although nothing is under way: for a remote call, a signal or the end of the limit. What other
    /// queues of the image leave in the mailbox does not end it.
    mutating func idle(_ timeout: Duration?) {
        if isCalledBeforeIdling {
            isCalledBeforeIdling = false
            step(minimum: 0, limit: .nanoseconds(0))
            return
        }
        let known = remoteCalls
        var limit = WaitLimit(timeout)
        let deadline = limit.deadline()
        repeat {
            let end = step(minimum: 1, limit: limit)
            if end == .interrupted || remoteCalls != known { return }
            if let deadline { limit = WaitLimit(until: deadline) }
        } while completed.isEmpty && !limit.hasPassed
    }

    /// One wait that a wake ends, whether or not anything is outstanding.
    mutating func sleep() {
        if !isClosed { step(minimum: completed.isEmpty ? 1 : 0, limit: .forever) }
    }

    /// Waits for a request made with ``IORequest/Route/waiter``, and frees its slot. Others that
    /// complete meanwhile are left to `poll`.
    mutating func wait(for id: RequestID) -> BlockCompletion {
        guard let request = slab.request(at: id.address) else {
            preconditionFailure("a request that is waited for has a slot")
        }
        while request.pointee.route != .waiterDone { step(minimum: 1, limit: .forever) }
        let completion = request.pointee.completion
        outstanding &-= 1
        recycle(request)
        readMail()
        closeIfDrained()
        submitUnlessPlugged()
        return completion
    }

    /// Waits until every request has completed, and shuts the engine down. What has not been delivered
    /// still can be.
    mutating func close() {
        if !isClosed { checkOwner() }
        isClosing = true
        releaseThrottled()
        while !isClosed {
            closeIfDrained()
            if !isClosed { step(minimum: 1, limit: .forever) }
        }
    }

    @inline(__always)
    mutating func closeIfDrained() {
        if isClosing && !isClosed && completed.count == outstanding { shutDown() }
    }

    @inline(never)
    private mutating func shutDown() {
        isClosed = true
        counters.inlineCompletions = engine.inlineCompletions
        counters.pollerOperations = engine.pollerOperations
        mailbox.detach()
        engine.destroy()
        for index in 0..<files.count {
            // A chain from `self` would be a change of what `self` begins with, the image, to the thread
            // sanitizer (Swift 6.3), and other queues have the same image.
            let state = files[index]
            state.pointee.tracked.releaseMemory()
        }
        releaseWork()
        group?.leave(member)
        image.rateLimiter.leave(throttled.member)
        image.releaseQueue()
    }

    // MARK: Cancelling

    /// Completes a request early if that is possible: at once while the queue has it, by asking the
    /// engine while the engine has it. Its one completion says what became of it.
    mutating func cancel(_ id: RequestID) {
        // What other queues have released is blocked no longer.
        if sharesWrites && !isClosed {
            takeReleased()
            runFollowers()
        }
        guard let request = slab.request(at: id.address),
            request.pointee.generation == id.generation, !isClosed
        else { return }
        checkOwner()
        request.makeGeneral()
        cancel(request)
        runFollowers()
        submitUnlessPlugged()
    }

    /// Cancels a request that is on the general path; others may be runnable afterwards.
    mutating func cancel(_ request: RequestPointer) {
        let isRepeated = request.pointee.isCancelled
        request.pointee.isCancelled = true
        if request.pointee.phase == .children { return cancelChildren(of: request) }
        if !takeOut(request) {
            // A kernel queue answers each time that it is asked, and has room for so many answers.
            if !isRepeated { engine.cancel(request) }
            return
        }
        if request.pointee.phase == .synchronize {
            settleCancelledFlush(file(of: request))
        } else {
            complete(request, .cancelled)
        }
    }

    /// Takes a request out of the list of the queue that it is in; false when the engine has it.
    private mutating func takeOut(_ request: RequestPointer) -> Bool {
        if request.pointee.cSubmission.is_pending {
            request.pointee.cSubmission.is_pending = false
            pending.remove(request)
            if request.pointee.cSubmission.is_durable {
                let state = file(of: request)
                state.pointee.durableSubmissions -= 1
                startNextFlush(state)
            }
            return true
        }
        switch request.pointee.place {
        case .elsewhere: return request.pointee.phase == .blocked
        case .heldBack:
            file(of: request).pointee.heldBack.remove(request)
            forgetHeldBack(file(of: request))
        case .throttled: leaveThrottled(request)
        case .joinedFlush: file(of: request).pointee.flushes.joined.remove(request)
        case .waitingForFlush: file(of: request).pointee.flushes.waiting.remove(request)
        }
        request.pointee.place = .elsewhere
        return true
    }

    @inline(__always)
    mutating func readMail() {
        if mailbox.hasMail { obeyMail() }
    }

    /// What ``idle(_:)`` would wait for may be there already.
    @inline(never)
    mutating func obeyMail(beforeWaitFor minimum: Int) {
        let known = remoteCalls
        obeyMail()
        isCalledBeforeIdling = remoteCalls != known && minimum > 0 && outstanding == 0
    }

    @inline(never)
    private mutating func obeyMail() {
        let mail = mailbox.takeAll()
        if !mail.notices.isEmpty { obey(mail.notices) }
        for message in mail.messages {
            switch message {
            case .cancel(let id): cancel(id)
            case .close:
                isClosing = true
                releaseThrottled()
            }
        }
        // Not a notice.
        if mail.isCall || !mail.messages.isEmpty { remoteCalls &+= 1 }
    }
}
