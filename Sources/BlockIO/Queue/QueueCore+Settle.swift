import BlockHost
import CBlockIO
import Glibc

// The third station: what the engine's answer means for a request.
extension QueueCore {
    /// Retries of one operation without progress before its error counts.
    private static var maximumAttempts: UInt8 { 64 }

    /// Looks at everything that came back from the engine.
    @inline(__always)
    mutating func settleEnded() {
        if !ended.isEmpty { settleAll() }
    }

    @inline(never)
    private mutating func settleAll() {
        let now = monotonicNanoseconds()
        while !ended.isEmpty {
            if !settlePlain(now), let request = ended.popFirst() { settleRarely(request, now) }
        }
        runFollowers()
    }

    /// Moves the requests at the head of `ended` that are simply done to `finished`, all at once.
    /// False when there are none.
    @inline(__always)
    private mutating func settlePlain(_ now: UInt64) -> Bool {
        var last: RequestPointer?
        var next = ended.head
        var number = 0
        var reads = BlockStatistics.Counter()
        var writes = BlockStatistics.Counter()
        // Requests that were submitted together took equally long.
        var started: UInt64 = 0
        var bucket = 0
        while let request = next, request.pointee.isPlain,
            UInt64(bitPattern: request.pointee.result) == request.pointee.length
        {
            let bytes = request.pointee.length
            request.pointee.moved = bytes
            request.pointee.generation &+= 1
            if request.pointee.started != started {
                started = request.pointee.started
                bucket = LatencyHistogram.bucket(of: now &- started)
            }
            if request.pointee.verb == .read {
                reads.count(bytes, false)
                latencies.count(.read, bucket)
            } else {
                writes.count(bytes, false)
                latencies.count(.write, bucket)
                if request.pointee.isTracked {
                    let file = files.base
                    file.pointee.tracked.remove(request, released: &runnable)
                }
            }
            number &+= 1
            last = request
            next = request.pointee.next
        }
        guard let last else { return false }
        counters.reads.add(reads)
        counters.writes.add(writes)
        counters.directBytes &+= reads.bytes &+ writes.bytes
        files.base.pointee.modifying &-= Int(truncatingIfNeeded: writes.operations)
        finished.take(number, from: &ended, upTo: last)
        return true
    }

    /// Whatever is not simply done.
    private mutating func settleRarely(_ request: RequestPointer, _ now: UInt64) {
        request.makeUnusual()
        let result = request.pointee.result
        guard result >= 0 else { return settleError(request, Self.errno(of: result)) }
        // No kernel moves more than it is asked for, or anything for a sync: who does has done something else.
        guard UInt64(result) <= request.operation.pointee.length else {
            return settleError(request, EIO)
        }
        switch request.pointee.phase {
        case .transfer where request.pointee.pieces == nil:
            counters.directBytes &+= UInt64(result)
            if UInt64(result) == request.pointee.length {
                request.pointee.moved = UInt64(result)
                return finishTransfer(request, now)
            }
            // A rest that begins on a block again; without progress it would never end.
            let progress = UInt64(result) & ~UInt64(file(of: request).pointee.offsetMask)
            request.pointee.moved &+= progress
            settleShort(request, hasProgress: progress > 0)
        case .transfer:
            settlePiece(request, result, now)
        case .readHead, .readTail:
            guard UInt64(result) == request.pointee.engine.length else {
                return settleShort(request, hasProgress: false)
            }
            request.pointee.attempts = 0
            if stopIfCancelled(request) { return }
            if request.pointee.phase == .readHead {
                orderTailBlock(request)
            } else {
                orderPiece(request)
            }
        case .transferTail:
            let pieces = request.pointee.pieces.unsafelyUnwrapped
            pieces.pointee.advanceBuffered(UInt64(result))
            request.pointee.moved &+= UInt64(result)
            if request.pointee.moved == request.pointee.length {
                return finishTransfer(request, now)
            }
            if result == 0 { return finish(request, .endOfMedium, now) }
            if !stopIfCancelled(request) { orderTail(request) }
        case .synchronize: endFlush(file(of: request), nil, errno: 0, now)
        case .range: settleRange(request)
        case .blocked, .children:
            preconditionFailure("a request that waits for others is not with the engine")
        }
    }

    private mutating func settlePiece(
        _ request: RequestPointer, _ result: Int64, _ now: UInt64
    ) {
        let pieces = request.pointee.pieces.unsafelyUnwrapped
        guard let progress = pieces.pointee.advance(result) else { return failForMemory(request) }
        request.pointee.moved &+= progress
        if request.pointee.moved == request.pointee.length {
            finishTransfer(request, now)
        } else if progress == 0 {
            settleShort(request, hasProgress: false)
        } else if !stopIfCancelled(request) {
            request.pointee.attempts = 0
            if UInt64(result) < request.pointee.engine.length {
                counters.shortTransfers &+= 1
            } else {
                counters.splits &+= 1
            }
            if pieces.pointee.isDone { orderTail(request) } else { orderPiece(request) }
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
            return finish(request, .endOfMedium)
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
            if request.pointee.phase == .synchronize { return endCancelledFlush(state) }
            return finish(request, .cancelled)
        case EINTR, EAGAIN, ECANCELED:
            // ECANCELED that nobody asked for: the thread that submitted it has ended.
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
            if request.pointee.verb == .read { return startPieces(request) }
            request.pointee.attempts = 0
            // With larger blocks it may have to exclude others: it queues up once more, at the end.
            if request.pointee.isTracked {
                state.pointee.tracked.remove(request, released: &runnable)
            }
            return startSlowly(request)
        case EOPNOTSUPP where request.pointee.engine.isDurable:
            state.pointee.lacksDurableWrite = true
            counters.fallbacks &+= 1
            request.pointee.engine.isDurable = false
            request.pointee.owesFlush = true
            return enqueue(request)
        default: break
        }
        if request.pointee.phase == .range { return settleRangeError(request, errno) }
        let isLasting =
            ![EINTR, EAGAIN, ECANCELED].contains(errno) && !request.pointee.isTransientFailure
        if request.pointee.phase == .synchronize {
            if isLasting { host.flushFailed(errno) }
            return endFlush(state, .system, errno: errno)
        }
        // What came to the page cache beside it may be what could not be written back, and no
        // flush would be told. What is wrong with the request itself is said of nothing else.
        let isItsOwn = errno == EFAULT || errno == EINVAL
        if isLasting && !isItsOwn && request.pointee.engine.isDurable && host.hasUnsyncedPages {
            host.flushFailed(errno)
        }
        request.pointee.errno = errno
        finish(request, .system)
    }

    /// All bytes are with the device: the end, unless they have to be made stable by a flush.
    mutating func finishTransfer(_ request: RequestPointer, _ now: UInt64) {
        let needsFlush =
            request.pointee.isDurable
            && (request.pointee.owesFlush || request.pointee.phase == .transferTail)
        if needsFlush { joinFlush(request) } else { finish(request, nil, now) }
    }

    /// Between two operations of one request is the place to stop.
    mutating func stopIfCancelled(_ request: RequestPointer) -> Bool {
        guard request.pointee.isCancelled else { return false }
        finish(request, .cancelled)
        return true
    }

    /// The one end of every request. The slot of a child is free when this returns.
    mutating func finish(
        _ request: RequestPointer, _ failure: BlockError.Code?, _ now: UInt64? = nil
    ) {
        request.pointee.failure = failure
        if request.pointee.beyond > 0 { finishBeyond(request, isSuccess: failure == nil) }
        request.pointee.generation &+= 1
        if let pieces = request.pointee.pieces {
            pieces.deinitialize(count: 1)
            pieces.deallocate()
            request.pointee.pieces = nil
        }
        if let work = request.pointee.work {
            request.pointee.work = nil
            giveBack(work)
        }
        if request.pointee.route == .guest {
            leave(request)
            return endChild(request)
        }
        counters.count(request)
        if let now { latencies.record(request.pointee.verb, now &- request.pointee.started) }
        leave(request)
        if request.pointee.route == .waiter {
            request.pointee.route = .waiterDone
        } else {
            finished.append(request)
        }
    }
}
