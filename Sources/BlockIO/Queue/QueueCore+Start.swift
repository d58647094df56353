import BlockHost
import Glibc

// Where the general path begins: a request gets its slot, is checked and sent on its way.
extension QueueCore {
    /// What a caller asks for: a request before it has a slot.
    struct Call {
        var operation: BlockOperation
        var vectors = IOVectorList()
        var offset: UInt64 = 0
        /// Bytes concerned, for operations without buffers; the new size for a resize.
        var length: UInt64 = 0
        var isDurable = false
        var userData: UInt = 0
        var route = IORequest.Route.poll
        var closure: RetainedClosure?
        var zeroOptions = ZeroOptions()
        /// Instead of `vectors`: one buffer, whose list the slot holds.
        var buffer: IOVector?
    }

    /// Starts a request. It is on its way when this returns, unless the queue is plugged.
    mutating func start(_ call: borrowing Call) -> RequestID {
        if !isClosed { checkOwner() }
        let request = take(call.operation, at: call.offset, userData: call.userData)
        // It may have completed when this returns.
        let id = RequestID(request)
        request.pointee.cSubmission.file = guest
        request.pointee.route = call.route
        request.pointee.closure = call.closure
        request.pointee.isDurable = call.isDurable
        request.pointee.length = call.length
        request.pointee.zeroOptions = call.zeroOptions
        if let buffer = call.buffer {
            request.pointee.singleBuffer = buffer
            request.pointee.vectors = request.singleBufferList
        } else {
            request.pointee.vectors = call.vectors
        }
        if isClosing {
            _ = check(request)
            request.pointee.errno = 0
            complete(request, .closed)
        } else if throttled.isLimited {
            admitWithinLimits(request)
        } else {
            admit(request)
        }
        runFollowers()
        submitUnlessPlugged()
        return id
    }

    /// Checks a request and sends it on its way, unless a resize comes first. One that was held back before
    /// comes first again.
    mutating func admit(_ request: RequestPointer, wasHeldBack: Bool = false) {
        let verdict = check(request)
        let state = file(of: request)
        if request.pointee.operation.changesImage {
            if state.pointee.barrier != nil || isHeldByGroup {
                return holdBack(request, isFirst: wasHeldBack)
            }
            // A resize of this queue waits for its turn in the group instead.
            if request.pointee.operation != .resize,
                verdict.goesOn ? !countModifying(request, state) : isUndecided(verdict, state)
            {
                return admitAfterOthers(request, state, wasHeldBack)
            }
        }
        switch verdict {
        case .submitsList where isForGuest(state), .needsWork where isForGuest(state):
            enterFormat(request)
        case .submitsList: startList(request)
        case .needsWork: startGeneral(request)
        case .isDone: complete(request, nil)
        case .refused(let code): complete(request, code)
        }
    }

    /// Whether a request was refused because of the image's size, and another queue resizes the image, or has
    /// resized it.
    private func isUndecided(_ verdict: Verdict, _ state: StablePointer<FileState>) -> Bool {
        switch verdict {
        case .refused(.outOfRange), .refused(.endOfMedium):
            group != nil && !state.pointee.acceptsChanges.load(ordering: .acquiring)
        default: false
        }
    }

    /// Counts a request that changes the image; false, and not counted, when another queue of the image
    /// resizes it, or has resized it.
    private func countModifying(
        _ request: RequestPointer, _ state: StablePointer<FileState>
    ) -> Bool {
        state.pointee.countModifying()
        guard group == nil || state.pointee.acceptsChanges.load(ordering: .acquiring) else {
            state.pointee.uncountModifying(1)
            return false
        }
        request.pointee.isModifying = true
        return true
    }

    private mutating func take(
        _ operation: BlockOperation, at offset: UInt64, userData: UInt
    ) -> RequestPointer {
        outstanding &+= 1
        let request = takeSlot(operation, at: offset)
        request.pointee.completion.asked.userData = userData
        readBatchClock()
        request.pointee.started = batchClock
        return request
    }

    /// A slot for a request that counts for nobody.
    mutating func takeSlot(_ operation: BlockOperation, at offset: UInt64) -> RequestPointer {
        makeRoom()
        guard let request = free.take() else {
            preconditionFailure("room has been made for the request")
        }
        request.pointee.isFast = false
        request.pointee.isModifying = false
        request.pointee.hasPassedLimits = false
        request.pointee.completion.asked.operation = operation
        request.pointee.completion.asked.offset = offset
        request.pointee.completion.transferred = 0
        return request
    }

    /// Sees to it that a slot is free.
    mutating func makeRoom() {
        if free.first == nil { slab.addChunk(to: &free) }
    }

    mutating func readBatchClock() {
        if batchClock == 0 { batchClock = monotonicNanoseconds() }
    }
}
