import BlockHost

// What waits for other requests: writes that overlap, and whatever changes the image beside a resize.
extension QueueCore {
    /// Goes on with everything that waited and need not wait any longer. A loop, because each may be the
    /// last that another waited for.
    @inline(__always)
    mutating func runFollowers() {
        // A resize, and what it holds back, is counted as composite.
        if composite != 0 || !runnable.isEmpty { runAllFollowers() }
    }

    @inline(never)
    private mutating func runAllFollowers() {
        while true {
            if let next = runnable.popFirst() {
                next.pointee.phase = .transfer
                if next.pointee.submitsList { enqueue(next) } else { proceed(next) }
            } else if !runHeldBack() {
                return settleWithGroup()
            }
        }
    }

    /// Goes on with one request that a resize holds back; false when there is none.
    private mutating func runHeldBack() -> Bool {
        // Without a closure, which would cost an allocation in a debug build.
        var index = 0
        while index < files.count {
            if runHeldBack(files[index]) { return true }
            index += 1
        }
        return false
    }

    /// Goes on with one request that a resize of the file holds back, or with the resize itself. False when
    /// there is none, or the resize is not over.
    private mutating func runHeldBack(_ state: StablePointer<FileState>) -> Bool {
        if let resize = state.pointee.barrier {
            guard resize.pointee.phase == .blocked && !state.pointee.isModified && !awaitsTurn
            else { return false }
            startResize(resize)
        } else if !isHeldByGroup, let next = state.pointee.heldBack.popFirst() {
            next.pointee.place = .elsewhere
            next.pointee.phase = .transfer
            next.pointee.isComposite = false
            composite &-= 1
            // What rate limits release because of it is submitted together with whatever else follows.
            plugs &+= 1
            readmit(next, wasHeldBack: true)
            plugs &-= 1
        } else {
            return false
        }
        return true
    }

    /// Keeps a request that changes the image until the resize before it has completed, because only then is
    /// it known whether the request is inside the image.
    mutating func holdBack(_ request: RequestPointer, isFirst: Bool) {
        forgetCheck(request)
        countComposite(request)
        block(request)
        request.pointee.place = .heldBack
        if isFirst {
            file(of: request).pointee.heldBack.prepend(request)
        } else {
            file(of: request).pointee.heldBack.append(request)
        }
    }

    /// What the check has found is of no account: it is made again.
    mutating func forgetCheck(_ request: RequestPointer) {
        restoreLength(request)
        request.pointee.errno = 0
        request.pointee.effect = .unknown
    }

    /// A resize has the image for itself: a write in flight could make the file longer again, or a
    /// later one could be checked against a size that is no more.
    mutating func startResize(_ request: RequestPointer) {
        let state = file(of: request)
        state.pointee.barrier = request
        state.pointee.acceptsFastWrites.store(false, ordering: .relaxed)
        if let group { awaitsTurn = !group.takeTurn(member) }
        if awaitsTurn { listenToGroup() }
        if awaitsTurn || state.pointee.isModified { return block(request) }
        if request.pointee.work != nil { return goOn(request) }
        countPageCacheUse(request)
        enqueue(
            request, .range,
            EngineSubmission(kind: .truncate, position: request.pointee.length))
    }

    /// Takes a request that completes out of what other requests wait for.
    mutating func leave(_ request: RequestPointer) {
        let state = file(of: request)
        if request.pointee.isTracked { untrack(request, state) }
        if request.pointee.isModifying {
            request.pointee.isModifying = false
            state.pointee.uncountModifying(1)
        }
        if request.pointee.isComposite {
            request.pointee.isComposite = false
            composite &-= 1
        }
        endPageCacheUse(request)
        if state.pointee.barrier == request {
            state.pointee.barrier = nil
            if group != nil { endTurn(state) } else { allowFastWrites() }
        }
    }
}
