import BlockHost

// What a queue does because of the other queues of its image: see ``QueueGroup``.
extension QueueCore {
    /// Writes wait for those of other queues.
    var sharesWrites: Bool { group?.sharesWrites ?? false }

    /// Becomes a member of the group. From now on others may leave notices.
    mutating func joinGroup() {
        guard let group else { return }
        // A resize of another queue then waits until this queue has been polled, whatever it is doing.
        if !group.hasBarrier { listenToGroup() }
        member = group.join(mailbox, files.first)
        // Another queue may have resized the image since this one began to open.
        adoptGeometry(files.first)
    }

    /// From now on a notice of another queue ends a wait. Called when a request of this queue first has to wait for
    /// another queue, and not before, because such a wait can take one more system call.
    mutating func listenToGroup() {
        if listensToGroup { return }
        listensToGroup = true
        engine.openToWakes()
    }

    /// Writes can take the fast path, if anything can change the image, and no other queue has a say in it.
    func allowFastWrites() {
        let isAllowed = image.access == .readWrite && group == nil
        files.first.pointee.acceptsFastWrites.store(isAllowed, ordering: .relaxed)
    }

    /// Does what the image and its other queues have left word of.
    mutating func obey(_ notices: Mailbox.Notices) {
        if notices.contains(.released) { takeReleased() }
        if notices.contains(.resizeBegins) && !owesSettled {
            owesSettled = true
            // So that it is looked at after each completion.
            composite &+= 1
        }
        if notices.contains(.resizeIsOver) {
            adoptGeometry(files.first)
            isHeldByGroup = false
        }
        if notices.contains(.turn) { awaitsTurn = false }
        if notices.contains(.rateLimits) {
            adoptRateLimits()
        } else if notices.contains(.throttledDue) {
            releaseDue()
        }
        runFollowers()
        // Unless yet another resize has begun since.
        if notices.contains(.resizeIsOver) && !isHeldByGroup { group?.holdsNothingBack(member) }
    }

    // MARK: Resize

    /// Goes on with a request that changes the image, and that was not counted because another queue resizes
    /// it, or has resized it.
    mutating func admitAfterOthers(
        _ request: RequestPointer, _ state: StablePointer<FileState>, _ wasHeldBack: Bool
    ) {
        guard let group, group.mayChange(member) else {
            isHeldByGroup = true
            listenToGroup()
            return holdBack(request, isFirst: wasHeldBack)
        }
        // What is known of the image is from before.
        adoptGeometry(state)
        forgetCheck(request)
        readmit(request, wasHeldBack: wasHeldBack)
    }

    /// A request that a resize holds back has been cancelled.
    mutating func forgetHeldBack(_ state: StablePointer<FileState>) {
        guard isHeldByGroup && state.pointee.heldBack.isEmpty else { return }
        isHeldByGroup = false
        group?.holdsNothingBack(member)
    }

    /// A resize of this queue completes.
    mutating func endTurn(_ state: StablePointer<FileState>) {
        awaitsTurn = false
        // Another queue may have resized the image before it.
        adoptGeometry(state)
        group?.endTurn(member)
    }

    /// Tells a queue that waits for it that no request of this one changes the image.
    mutating func settleWithGroup() {
        guard owesSettled, !files.first.pointee.isModified else { return }
        owesSettled = false
        composite &-= 1
        group?.settled(member)
    }

    // MARK: Writes

    /// Adds a write to those of all queues. False when it does not start now: it waits for others, or blocks
    /// have another size than before, and it has gone another way.
    mutating func trackTogether(
        _ request: RequestPointer, _ state: StablePointer<FileState>, _ group: QueueGroup
    ) -> Bool {
        let mask = UInt64(state.pointee.limits.offsetMask)
        let end = request.pointee.offset + request.pointee.length
        let isThroughCache =
            end > state.pointee.wholeBlocksEnd && request.pointee.operation != .discard
        let admission = group.add(
            request, of: member, hasEdges: (request.pointee.offset | end) & mask != 0,
            isThroughCache: isThroughCache, blockMask: mask)
        if admission != .otherBlocks {
            // Another queue may wait for its completion, which must then be seen at once.
            countComposite(request)
        }
        switch admission {
        case .starts: return true
        case .waits:
            listenToGroup()
            block(request)
            return false
        case .otherBlocks:
            adoptGeometry(state)
            startGeneral(request)
            return false
        }
    }

    /// Takes a write out of those under way; others may be runnable then.
    mutating func untrack(_ request: RequestPointer, _ state: StablePointer<FileState>) {
        if let group, group.sharesWrites {
            group.remove(request, of: member, runnable: &runnable)
        } else {
            state.pointee.tracked.remove(request, released: &runnable)
        }
    }

    /// Takes the writes that other queues have released; `runFollowers` goes on with them.
    mutating func takeReleased() { group?.takeReleased(of: member, into: &runnable) }
}
