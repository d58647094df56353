public import BlockHost
import CBlockIO
import Glibc

// The second station of the general path: what the engine is asked to do for a request.
extension QueueCore {
    /// Submits the caller's own list. A request that needs nothing else goes on on the fast path.
    mutating func startList(_ request: RequestPointer) {
        let state = file(of: request)
        let isWrite = request.pointee.operation == .write
        request.pointee.submitsList = true
        request.pointee.isFast =
            !request.pointee.isDurable && request.pointee.route == .poll
            && request.pointee.closure == nil && !(isWrite && sharesWrites)
        request.pointee.cSubmission.kind = UInt8(isWrite ? CBIO_WRITE : CBIO_READ)
        request.pointee.cSubmission.is_durable = request.pointee.isDurable && isMadeDurable(request)
        unsafe request.pointee.cSubmission.vectors = request.pointee.vectors.base
        request.pointee.cSubmission.vector_count = UInt16(
            truncatingIfNeeded: request.pointee.vectors.count)
        request.pointee.cSubmission.position = request.pointee.offset
        request.pointee.cSubmission.length = request.pointee.length
        if isWrite && state.pointee.limits.offsetMask != 0 {
            if let group, group.sharesWrites {
                guard trackTogether(request, state, group) else { return }
            } else if track(request) {
                return
            }
        }
        enqueue(request)
    }

    /// Whether the kernel makes a single write stable without telling anybody else's failure: only when
    /// no page cache is between, and nothing is in it, whose write-back errors it would report to this
    /// write alone. Where other queues may put something there at any time, the answer is no: the report of what
    /// they lost would stay in this queue, and their next flush would succeed.
    private func hasDurableWrite(_ state: StablePointer<FileState>) -> Bool {
        let host = state.pointee.host
        if group != nil && host.mayUsePageCache { return false }
        return host.caching == .direct && !state.pointee.lacksDurableWrite && !host.hasUnsyncedPages
    }

    /// Whether the next submission of a durable write makes its bytes stable; if not, a flush has to.
    private func isMadeDurable(_ request: RequestPointer) -> Bool {
        let isMade = hasDurableWrite(file(of: request))
        if !isMade { request.pointee.owesFlush = true }
        return isMade
    }

    /// Counts a write that is stable when the engine answers it. What was decided may not hold any more, if
    /// the write has waited since.
    mutating func countDurable(_ request: RequestPointer) {
        request.pointee.cSubmission.is_durable = isMadeDurable(request)
        if request.pointee.cSubmission.is_durable {
            file(of: request).pointee.durableSubmissions += 1
        }
    }

    /// Keeps account of a write of whole blocks; true when it has to wait for an earlier one. Called from the
    /// fast path, which is inlined into callers.
    @usableFromInline
    mutating func track(_ request: RequestPointer) -> Bool {
        let state = file(of: request)
        let mask = UInt64(state.pointee.limits.offsetMask)
        guard state.pointee.tracked.add(request, hasEdges: false, blockMask: mask) else {
            return false
        }
        block(request)
        return true
    }

    /// The request waits for others; `runFollowers` goes on with it.
    mutating func block(_ request: RequestPointer) {
        request.pointee.phase = .blocked
        request.pointee.cSubmission.is_pending = false
    }

    /// Starts what is not one submission with the caller's own list.
    mutating func startGeneral(_ request: RequestPointer) {
        request.pointee.submitsList = false
        countComposite(request)
        let state = file(of: request)
        let mask = UInt64(state.pointee.limits.offsetMask)
        if request.pointee.operation.changesImage && request.pointee.length > 0 && mask != 0
            && request.pointee.operation != .resize
        {
            let end = request.pointee.offset + request.pointee.length
            let isThroughCache =
                end > state.pointee.wholeBlocksEnd && request.pointee.operation != .discard
            let hasEdges = (request.pointee.offset | end) & mask != 0
            if let group {
                if group.sharesWrites {
                    guard trackTogether(request, state, group) else { return }
                    return proceed(request)
                }
                // Another queue may change the rest of the block, and would not be seen.
                if hasEdges || isThroughCache { return complete(request, .partialBlock) }
            }
            if state.pointee.tracked.add(
                request, hasEdges: hasEdges, isThroughCache: isThroughCache, blockMask: mask)
            {
                return block(request)
            }
        }
        proceed(request)
    }

    /// Notes that the request takes more than one submission, or waits for others.
    mutating func countComposite(_ request: RequestPointer) {
        if request.pointee.isComposite { return }
        request.pointee.isComposite = true
        composite &+= 1
    }

    /// A request that need not wait, or no longer.
    mutating func proceed(_ request: RequestPointer) {
        if request.pointee.work != nil { return goOn(request) }
        switch request.pointee.operation {
        case .read, .write: startPieces(request)
        case .flush, .open: joinFlush(request)
        case .discard: startRange(request)
        case .writeZeroes:
            if request.pointee.rangeWay == .buffers {
                startPieces(request)
            } else {
                startRange(request)
            }
        case .resize: startResize(request)
        }
    }

    /// What is left of a transfer, in pieces. Also where one resumes that came back short.
    mutating func startPieces(_ request: RequestPointer) {
        if request.pointee.vectors.contains(where: { $0.address == 0 && $0.length > 0 }) {
            return failForMemory(request)
        }
        let end = request.pointee.offset + request.pointee.length
        let isWrite = request.pointee.operation != .read
        let state = file(of: request)
        let plan = PieceTransfer(
            request, alignment: state.pointee.alignment, bounceLimit: bounceLimit,
            end: isWrite ? min(end, state.pointee.wholeBlocksEnd) : end)
        let pieces: StablePointer<PieceTransfer>
        if let old = request.pointee.pieces {
            old.pointee = plan
            pieces = old
        } else {
            pieces = StablePointer(allocating: plan)
            request.pointee.pieces = pieces
        }
        if pieces.pointee.isDone {
            enqueueTail(request)
        } else if let head = pieces.pointee.planHead() {
            counters.readModifyWrites &+= 1
            enqueue(request, .readHead, head)
        } else {
            enqueueTailBlock(request)
        }
    }

    /// The pieces of a request that is in a phase of theirs.
    func pieces(of request: RequestPointer) -> StablePointer<PieceTransfer> {
        guard let pieces = request.pointee.pieces else {
            preconditionFailure("a request goes in pieces only when they have been planned")
        }
        return pieces
    }

    /// After the block around the first byte: the one around the last, or the first piece.
    mutating func enqueueTailBlock(_ request: RequestPointer) {
        if let tail = pieces(of: request).pointee.planTail() {
            counters.readModifyWrites &+= 1
            enqueue(request, .readTail, tail)
        } else {
            enqueuePiece(request)
        }
    }

    /// The next piece.
    mutating func enqueuePiece(_ request: RequestPointer) {
        guard var plan = pieces(of: request).pointee.planPiece() else {
            return failForMemory(request)
        }
        plan.submission.isDurable = request.pointee.isDurable && isMadeDurable(request)
        counters.directBytes &+= plan.direct
        counters.bouncedBytes &+= plan.bounced
        counters.pieces &+= 1
        enqueue(request, .transfer, plan.submission)
    }

    /// The bytes of a write behind the last whole block.
    mutating func enqueueTail(_ request: RequestPointer) {
        let rest = pieces(of: request).pointee.planBufferedRest()
        countPageCacheUse(request)
        counters.bouncedBytes &+= rest.length
        enqueue(request, .transferTail, rest)
    }

    /// The caller's memory is not there: what the kernel says of a list that it is given.
    mutating func failForMemory(_ request: RequestPointer) {
        request.pointee.errno = EFAULT
        complete(request, .system)
    }

    /// Queues a submission for the engine. The request is in `phase` until the engine has answered it.
    mutating func enqueue(
        _ request: RequestPointer, _ phase: IORequest.Phase, _ submission: EngineSubmission
    ) {
        request.pointee.phase = phase
        request.pointee.submission = submission
        enqueue(request)
    }
}
