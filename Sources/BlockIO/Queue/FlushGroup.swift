/// The requests that want an fdatasync(2), of which at most one runs at a time.
///
/// The kernel reports a failed write-back once for each open file description, to the first call that
/// comes along (fsync(2), "ERRORS"). Of several calls in flight one would fail and the others succeed,
/// although what they were to make stable is lost as well. So one call serves all that asked for it before
/// it began, they share its result, and those that came later share the next.
struct FlushGroup {
    /// Carries the call that is under way.
    var leader: RequestPointer?
    /// Asked before that call was made.
    var joined = RequestFIFO()
    /// Asked since.
    var waiting = RequestFIFO()
    /// What has been changed through the page cache was all there when the call under way began.
    var coversPages = false
}

extension QueueCore {
    /// A flush, or a write that is to be made stable by one.
    mutating func joinFlush(_ request: RequestPointer) {
        countComposite(request)
        if image.flushFailure != 0 {
            request.pointee.errno = image.flushFailure
            return finish(request, .system)
        }
        if flushes.leader == nil { return lead(request) }
        block(request)
        request.pointee.place = .waitingForFlush
        flushes.waiting.append(request)
    }

    private mutating func lead(_ request: RequestPointer) {
        flushes.leader = request
        flushes.coversPages = pageCacheUsers == 0
        order(
            request, .synchronize,
            EngineOrder(operation: image.hasBufferedDescriptor ? .synchronizeBoth : .synchronize))
    }

    /// The call under way has ended, for `errno` or with success.
    mutating func endFlush(_ failure: BlockError.Code?, errno: CInt, _ now: UInt64? = nil) {
        guard let leader = flushes.leader else { return }
        flushes.leader = nil
        if failure == nil && flushes.coversPages { image.hasUnsyncedPages = false }
        end(leader, failure, errno, now)
        while let request = flushes.joined.popFirst() { end(request, failure, errno, now) }
        // Nothing can make stable what has been lost.
        let lost = image.flushFailure
        if lost != 0 {
            while let request = flushes.waiting.popFirst() { end(request, .system, lost, now) }
        }
        startNextFlush()
    }

    /// The call under way was cancelled before it did anything: another request carries it now.
    mutating func endCancelledFlush() {
        guard let leader = flushes.leader else { return }
        flushes.leader = nil
        finish(leader, .cancelled)
        startNextFlush()
    }

    private mutating func startNextFlush() {
        while let request = flushes.waiting.popFirst() {
            request.pointee.place = .joinedFlush
            flushes.joined.append(request)
        }
        guard let leader = flushes.joined.popFirst() else { return }
        leader.pointee.place = .elsewhere
        lead(leader)
    }

    private mutating func end(
        _ request: RequestPointer, _ failure: BlockError.Code?, _ errno: CInt, _ now: UInt64?
    ) {
        request.pointee.place = .elsewhere
        request.pointee.errno = errno
        finish(request, failure, now)
    }
}
