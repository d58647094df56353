import BlockHost
import CBlockIO
import Glibc

// The third station of the general path: what the engine's answer means for a request.
extension QueueCore {
    /// Retries of one engine submission without progress before its error counts.
    private static var maximumAttempts: UInt8 { 64 }

    /// Settles what the fast path leaves: whatever has more to do than to complete.
    mutating func settleGeneral(_ request: RequestPointer, _ now: UInt64) {
        request.makeGeneral()
        guard request.pointee.cSubmission.is_durable else { return settleAnswer(request, now) }
        let state = file(of: request)
        state.pointee.durableSubmissions -= 1
        settleAnswer(request, now)
        // A flush may have waited for this answer.
        startNextFlush(state)
    }

    private mutating func settleAnswer(_ request: RequestPointer, _ now: UInt64) {
        let result = request.pointee.result
        guard result >= 0 else { return settleError(request, Self.errno(of: result)) }
        // No kernel moves more than it is asked for, or anything for a sync: an answer that says so is wrong.
        guard UInt64(result) <= request.pointee.cSubmission.length else {
            return settleError(request, EIO)
        }
        switch request.pointee.phase {
        case .transfer where request.pointee.pieces == nil:
            counters.directBytes &+= UInt64(result)
            if UInt64(result) == request.pointee.length {
                request.pointee.moved = UInt64(result)
                return completeTransfer(request, now)
            }
            // A rest that begins on a block again; without progress it would never end.
            let progress = UInt64(result) & ~UInt64(file(of: request).pointee.limits.offsetMask)
            request.pointee.moved &+= progress
            settleShort(request, hasProgress: progress > 0)
        case .transfer:
            settlePiece(request, result, now)
        case .readHead, .readTail:
            guard UInt64(result) == request.pointee.submission.length else {
                return settleShort(request, hasProgress: false)
            }
            request.pointee.attempts = 0
            if stopIfCancelled(request) { return }
            if request.pointee.phase == .readHead {
                enqueueTailBlock(request)
            } else {
                enqueuePiece(request)
            }
        case .transferTail:
            let pieces = pieces(of: request)
            pieces.pointee.advanceBuffered(UInt64(result))
            request.pointee.moved &+= UInt64(result)
            if request.pointee.moved == request.pointee.length {
                return completeTransfer(request, now)
            }
            if result == 0 { return complete(request, .endOfMedium, now) }
            if !stopIfCancelled(request) { enqueueTail(request) }
        case .synchronize: settleFlush(file(of: request), nil, errno: 0, now)
        case .range: settleRange(request)
        case .blocked, .children:
            preconditionFailure("a request that waits for others is not with the engine")
        }
    }

    private mutating func settlePiece(
        _ request: RequestPointer, _ result: Int64, _ now: UInt64
    ) {
        let pieces = pieces(of: request)
        guard let progress = pieces.pointee.advance(result) else { return failForMemory(request) }
        request.pointee.moved &+= progress
        if request.pointee.moved == request.pointee.length {
            completeTransfer(request, now)
        } else if progress == 0 {
            settleShort(request, hasProgress: false)
        } else if !stopIfCancelled(request) {
            request.pointee.attempts = 0
            if UInt64(result) < request.pointee.submission.length {
                counters.shortTransfers &+= 1
            } else {
                counters.splits &+= 1
            }
            if pieces.pointee.isDone { enqueueTail(request) } else { enqueuePiece(request) }
        }
    }

    /// A transfer that came back with less than was asked for.
    private mutating func settleShort(_ request: RequestPointer, hasProgress: Bool) {
        counters.shortTransfers &+= 1
        if stopIfCancelled(request) { return }
        if hasProgress {
            request.pointee.attempts = 0
            countComposite(request)
            return startPieces(request)
        }
        // Less than a block: as good as EAGAIN, but if it stays so the medium ends inside a block.
        if request.pointee.result == 0 || request.pointee.attempts == Self.maximumAttempts {
            return complete(request, .endOfMedium)
        }
        settleError(request, EAGAIN)
    }

    /// What a negative answer stands for; one that is no errno says only that something is wrong.
    private static func errno(of result: Int64) -> CInt {
        result >= -4095 ? CInt(truncatingIfNeeded: -result) : EIO
    }

    private mutating func settleError(_ request: RequestPointer, _ errno: CInt) {
        let state = file(of: request)
        let host = state.pointee.host
        switch errno {
        case ECANCELED where request.pointee.isCancelled:
            if request.pointee.phase == .synchronize { return settleCancelledFlush(state) }
            return complete(request, .cancelled)
        case EINTR, EAGAIN, ECANCELED:
            // ECANCELED that nobody asked for: the thread that submitted it has answered.
            guard request.pointee.attempts < Self.maximumAttempts else { break }
            // Others may wait for the same fdatasync(2).
            if request.pointee.phase != .synchronize && stopIfCancelled(request) { return }
            request.pointee.attempts += 1
            counters.retries &+= 1
            return enqueue(request)
        case EINVAL
        where host.caching == .direct && !request.pointee.hasReprobed
            && request.pointee.phase != .range:
            // The device may demand another alignment than when it was opened.
            request.pointee.hasReprobed = true
            counters.retries &+= 1
            host.refreshAlignment()
            adoptGeometry(state)
            if request.pointee.phase == .synchronize { return enqueue(request) }
            countComposite(request)
            if request.pointee.operation == .read { return startPieces(request) }
            request.pointee.attempts = 0
            // With larger blocks it may have to exclude others: it queues up once more, at the end.
            if request.pointee.isTracked { untrack(request, state) }
            return startGeneral(request)
        case EOPNOTSUPP where request.pointee.submission.isDurable:
            state.pointee.lacksDurableWrite = true
            counters.fallbacks &+= 1
            request.pointee.submission.isDurable = false
            request.pointee.owesFlush = true
            return enqueue(request)
        default: break
        }
        if request.pointee.phase == .range { return settleRangeError(request, errno) }
        let isLasting =
            ![EINTR, EAGAIN, ECANCELED].contains(errno) && !request.pointee.isTransientFailure
        if request.pointee.phase == .synchronize {
            if isLasting { host.flushFailed(errno) }
            return settleFlush(state, .system, errno: errno)
        }
        // What came to the page cache beside it may be what could not be written back, and no
        // flush would be told. What is wrong with the request itself is said of nothing else.
        let isItsOwn = errno == EFAULT || errno == EINVAL
        if isLasting && !isItsOwn && request.pointee.submission.isDurable && host.hasUnsyncedPages {
            host.flushFailed(errno)
        }
        request.pointee.errno = errno
        complete(request, .system)
    }

    /// Completes a request whose bytes have all been moved, unless a flush has to make them stable.
    mutating func completeTransfer(_ request: RequestPointer, _ now: UInt64) {
        let needsFlush =
            request.pointee.isDurable
            && (request.pointee.owesFlush || request.pointee.phase == .transferTail)
        if needsFlush { joinFlush(request) } else { complete(request, nil, now) }
    }

    /// A cancelled request stops between two of its engine submissions.
    mutating func stopIfCancelled(_ request: RequestPointer) -> Bool {
        guard request.pointee.isCancelled else { return false }
        complete(request, .cancelled)
        return true
    }

    /// Completes a request on the general path: the only place that does. The slot of a child is free when
    /// this returns.
    mutating func complete(
        _ request: RequestPointer, _ failure: BlockError.Code?, _ now: UInt64? = nil
    ) {
        request.pointee.failure = failure
        if request.pointee.beyond > 0 { completeBeyondEnd(request, isSuccess: failure == nil) }
        request.pointee.generation &+= 1
        if let pieces = request.pointee.pieces {
            // Only the request knows them, and the engine has answered the last submission of theirs.
            unsafe pieces.destroy()
            request.pointee.pieces = nil
        }
        if let work = request.pointee.work {
            request.pointee.work = nil
            giveBack(work)
        }
        if request.pointee.route == .guest {
            leave(request)
            return settleChild(request)
        }
        counters.count(request)
        if let now { latencies.record(request.pointee.operation, now &- request.pointee.started) }
        leave(request)
        if request.pointee.route == .waiter {
            request.pointee.route = .waiterDone
        } else {
            completed.append(request)
        }
    }
}
