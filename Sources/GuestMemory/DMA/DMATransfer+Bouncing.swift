import BlockHost

// Transfers whose bytes pass through a bounce buffer, all or in part: they go in pieces that need
// no more buffer than the limit, and may wait for buffers and for the memory of another process.
extension DMATransfer.State {
    mutating func nextPiece() -> DMAStep {
        pieces.measure(list, unit: unit, limit: bounceLimit)
        if pieces.bounced > 0 {
            let pool = mapper.with { $0.pool }
            bufferSize = pieces.bounced
            unsafe buffer = unsafe pool.take(bufferSize, for: waiter)
            if unsafe buffer == nil {
                phase = .waiting
                return .wait
            }
        }
        return submitPiece()
    }

    /// Continues a transfer when what it has waited for is there.
    mutating func resume() -> DMAStep {
        let grant = unsafe mapper.with { $0.pool }.collect(waiter)
        switch phase {
        case .idle, .submitted: preconditionFailure("a transfer resumes that did not wait")
        case .waiting:
            unsafe buffer = unsafe grant
            return submitPiece()
        case .fetching:
            if isCancelled { return done(.cancelled) }
            return answer.hasFailed ? done(.fault(remoteFault)) : submitFetched()
        case .storing: return pieceStored(answer.hasFailed ? remoteFault : nil)
        }
    }

    /// Which of several requests failed is not known: the first address stands for all.
    private var remoteFault: GuestMemoryError {
        GuestMemoryError(.remoteFailed, at: list.segment(0).deviceAddress)
    }

    private mutating func submitPiece() -> DMAStep {
        if MemoryWatch.isAnyLost, let loss = list.loss() { return done(.fault(loss)) }
        unsafe vectors = unsafe pieces.build(list, over: buffer)
        // Functions of others are called until the piece is submitted: none of them can answer it, or
        // end the transfer.
        phase = .fetching
        if direction == .toDevice, let buffer = unsafe buffer, let map {
            answer.beginRequests()
            unsafe pieces.fetch(list, to: buffer, from: map.object, answer)
            if answer.endRequests() { return .wait }
            if answer.hasFailed { return done(.fault(remoteFault)) }
        }
        return submitFetched()
    }

    private mutating func submitFetched() -> DMAStep {
        let core = mapper.object
        if direction == .toDevice, let buffer = unsafe buffer, let map {
            do throws(GuestMemoryError) {
                try ReentrancyGuard.within(core.reentrancy) { () throws(GuestMemoryError) in
                    unsafe try pieces.copyIn(
                        list, to: buffer, from: map.object, through: core.resolvers)
                }
            } catch {
                return done(.fault(error))
            }
        }
        phase = .submitted
        let length = pieces.end &- pieces.position
        core.state.pointee.bouncedBytes &+= UInt64(pieces.bounced)
        core.state.pointee.directBytes &+= length &- UInt64(pieces.bounced)
        return unsafe .submit(DMAPiece(vectors: vectors, offset: pieces.position, length: length))
    }

    /// The answer to a piece of a transfer that bounces: copies the piece to guest memory.
    mutating func bouncedPieceEnded(
        transferred count: UInt64, isSuccess: Bool, written: UInt64
    ) -> DMAStep {
        let length = pieces.end &- pieces.position
        storedPiece = (isSuccess ? length : Swift.min(count, length), isSuccess)
        guard direction == .fromDevice else { return pieceStored(nil) }
        answer.beginRequests()
        let failure = copyOut(storedPiece.count, written: written)
        if answer.endRequests() {
            storingFailure = failure
            return .wait
        }
        return pieceStored(failure ?? (answer.hasFailed ? remoteFault : nil))
    }

    private func copyOut(_ count: UInt64, written: UInt64) -> GuestMemoryError? {
        guard let map else { return nil }
        let core = mapper.object
        return ReentrancyGuard.within(core.reentrancy) {
            unsafe pieces.copyOut(
                list, from: buffer, to: map.object, through: core.resolvers,
                limit: count, written: written, answer)
        }
    }

    /// All bytes of the piece are in guest memory, or `failure` says why they are not.
    private mutating func pieceStored(_ failure: GuestMemoryError?) -> DMAStep {
        releaseBuffer()
        let failure = storingFailure ?? failure
        storingFailure = nil
        if let failure {
            loss = nil
            return done(.fault(failure))
        }
        transferred &+= storedPiece.count
        if !storedPiece.isSuccess { return pieceFailed() }
        if pieces.end.rawValue == list.total { return done(.success) }
        if isCancelled { return done(.cancelled) }
        pieces.advance(list)
        return nextPiece()
    }

    mutating func releaseBuffer() {
        guard let memory = unsafe buffer else { return }
        unsafe buffer = nil
        unsafe mapper.with { $0.pool }.give(back: memory, bufferSize)
    }
}
