import BlockHost

/// The requests that want an fdatasync(2) of a host file, of which at most one runs at a time.
///
/// The kernel reports a failed write-back once for each open file description, to the first call that
/// comes along (fsync(2), "ERRORS"). Of several calls in flight one would fail and the others succeed,
/// although what they were to make stable is lost as well. So one call serves all that asked for it before
/// it began, they share its result, and those that came later share the next.
///
/// A write that makes itself stable (RWF_DSYNC) can get such a report too. It is submitted only while there is
/// nothing to report. If something has come to the page cache since, the next call waits for the answers of these
/// writes: one of them may have taken the report, and the call would succeed.
struct FlushGroup {
    /// Carries the call that is under way.
    var leader: RequestPointer?
    /// Asked before that call was made.
    var joined = RequestFIFO()
    /// Asked since.
    var waiting = RequestFIFO()
    /// What the call under way makes stable of what has been changed through the page cache
    /// (``HostFile/stablePageCacheUses``).
    var coveredUses: UInt64 = 0
}

extension QueueCore {
    /// Lets a flush, or a write that a flush has to make stable, wait for the next call, or begins that call.
    mutating func joinFlush(_ request: RequestPointer) {
        countComposite(request)
        let state = file(of: request)
        if state.pointee.host.flushFailure != 0 {
            request.pointee.errno = state.pointee.host.flushFailure
            return complete(request, .system)
        }
        if state.pointee.flushes.leader == nil && mayLead(state) { return lead(request, state) }
        block(request)
        request.pointee.place = .waitingForFlush
        state.pointee.flushes.waiting.append(request)
    }

    /// Whether no write can have taken the report of a failed write-back from the next call.
    private func mayLead(_ state: StablePointer<FileState>) -> Bool {
        state.pointee.durableSubmissions == 0 || !state.pointee.host.hasUnsyncedPages
    }

    private mutating func lead(
        _ request: RequestPointer, _ state: StablePointer<FileState>
    ) {
        state.pointee.flushes.leader = request
        let host = state.pointee.host
        state.pointee.flushes.coveredUses = host.stablePageCacheUses
        // A thread makes the call where it may have to wait for that of another queue.
        let needsThread =
            host.hasBufferedDescriptor || group != nil && host.backEnd == nil
        enqueue(
            request, .synchronize,
            EngineSubmission(kind: needsThread ? .synchronizeBoth : .synchronize))
    }

    /// Completes all requests of the call under way for a file, which the engine has answered: with `failure`
    /// and `errno`, or with success.
    mutating func settleFlush(
        _ state: StablePointer<FileState>, _ failure: BlockError.Code?, errno: CInt,
        _ now: UInt64? = nil
    ) {
        guard let leader = state.pointee.flushes.leader else { return }
        state.pointee.flushes.leader = nil
        let host = state.pointee.host
        if failure == nil {
            // A flush of another queue may have failed beside it, or a durable write of this one.
            if host.flushFailure != 0 {
                return settleFlush(state, leader, .system, host.flushFailure, now)
            }
            host.pagesAreStable(upTo: state.pointee.flushes.coveredUses)
        }
        settleFlush(state, leader, failure, errno, now)
    }

    private mutating func settleFlush(
        _ state: StablePointer<FileState>, _ leader: RequestPointer, _ failure: BlockError.Code?,
        _ errno: CInt, _ now: UInt64?
    ) {
        completeFlush(leader, failure, errno, now)
        while let request = state.pointee.flushes.joined.popFirst() {
            completeFlush(request, failure, errno, now)
        }
        // Nothing can make stable what has been lost.
        let lost = state.pointee.host.flushFailure
        if lost != 0 {
            while let request = state.pointee.flushes.waiting.popFirst() {
                completeFlush(request, .system, lost, now)
            }
        }
        startNextFlush(state)
    }

    /// Completes the request that carries the call under way for a file, which was cancelled before it did
    /// anything. Another request carries the call from now on.
    mutating func settleCancelledFlush(_ state: StablePointer<FileState>) {
        guard let leader = state.pointee.flushes.leader else { return }
        state.pointee.flushes.leader = nil
        complete(leader, .cancelled)
        startNextFlush(state)
    }

    /// Begins the next call for a file, if requests want one and nothing comes before it.
    mutating func startNextFlush(_ state: StablePointer<FileState>) {
        guard state.pointee.flushes.leader == nil, mayLead(state) else { return }
        while let request = state.pointee.flushes.waiting.popFirst() {
            request.pointee.place = .joinedFlush
            state.pointee.flushes.joined.append(request)
        }
        guard let leader = state.pointee.flushes.joined.popFirst() else { return }
        leader.pointee.place = .elsewhere
        lead(leader, state)
    }

    private mutating func completeFlush(
        _ request: RequestPointer, _ failure: BlockError.Code?, _ errno: CInt, _ now: UInt64?
    ) {
        request.pointee.place = .elsewhere
        request.pointee.errno = errno
        complete(request, failure, now)
    }
}
