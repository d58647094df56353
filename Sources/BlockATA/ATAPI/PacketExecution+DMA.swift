import BlockDMA
import BlockIO
import GuestMemory

// Data by DMA (ATA/ATAPI-6 9.9): blocks from the queue into guest memory without a copy, everything
// else through the buffer.
extension PacketExecution {
    func failUnwanted() { failTransfer(.mediumNotPresent) }

    func carryOutFirst(_ step: DMAStep, of transfer: DMATransfer) {
        state.pointee.failure = nil
        // Its answers are the host request's from here on.
        carryOut(unsafe host.pointee.begin(transfer, step))
    }

    /// Goes on with a transfer that has waited for memory, if it is that of the command.
    func resume(_ transfer: DMATransfer, _ step: DMAStep) {
        if let step = host.pointee.resume(transfer, step) { return carryOut(step) }
        // A reset may have waited for it, and no completion of the queue follows.
        if let tag = state.pointee.resetTag { at(tag).showSignatureUnlessBusy() }
    }

    /// Carries out a step of the transfer that ``host`` has already noted.
    private func carryOut(_ step: DMAStep) {
        let job = self.job
        switch step {
        case .submit(let piece):
            guard job.isDirect else {
                state.pointee.cursor = DMAPieceCursor(piece)
                return moveData()
            }
            guard !job.isMediumGone, let medium = state.pointee.medium else {
                return failTransfer(.mediumNotPresent)
            }
            if medium.disc.layout.isRaw {
                state.pointee.spread = SpreadPiece(piece, block: job.block, medium.disc.layout)
                return readSpread(medium.queue)
            }
            unsafe medium.queue.readv(
                piece.vectors,
                at: UInt64(job.block) &* UInt64(Disc.blockSize) &+ piece.offset.rawValue,
                userData: host.pointee.submit())
        case .wait: state.pointee.cursor = DMAPieceCursor()
        case .done(let result): completeTransfer(result)
        }
    }

    // MARK: Without a copy

    /// Submits a read of the user data of as many raw sectors as one request takes.
    private func readSpread(_ queue: BlockQueue) {
        let offset = state.pointee.spread.imageOffset
        // The buffer has no data while a transfer goes without it.
        let count = unsafe state.pointee.spread.layNext(
            vectors, between: buffer.address(count: Disc.blockSize))
        unsafe queue.readv(
            UnsafeBufferPointer(start: vectors, count: count), at: offset,
            userData: host.pointee.submit())
    }

    /// The host has completed the request for a piece, or for a part of it.
    func pieceCompleted(_ completion: BlockCompletion) {
        if job.isMediumGone { return failTransfer(.mediumNotPresent) }
        let layout = layout
        var transferred = completion.transferred
        if layout.isRaw { transferred = state.pointee.spread.reached(transferred) }
        if completion.isMemoryFault {
            return carryOut(host.pointee.memoryFailed(transferred: transferred))
        }
        if !completion.isSuccess {
            switch decide(completion) {
            case .ignore: transferred = completion.length
            case .stop: return park()
            case .report:
                let block =
                    (completion.offset &+ completion.transferred) / UInt64(layout.stride)
                return failTransfer(
                    .unrecoveredRead(UInt32(truncatingIfNeeded: block)), transferred)
            }
        }
        if layout.isRaw {
            state.pointee.spread.advance()
            if !state.pointee.spread.isAtEnd, let queue = state.pointee.medium?.queue {
                if host.pointee.isStopped { return failTransfer(nil, state.pointee.spread.done) }
                return readSpread(queue)
            }
            transferred = state.pointee.spread.length
        }
        carryOut(host.pointee.pieceEnded(transferred: transferred, isSuccess: true))
    }

    // MARK: Through the buffer

    /// Moves data between buffer and pieces, until the transfer waits or is complete, or the buffer
    /// needs the host.
    func moveData() {
        while true {
            if state.pointee.cursor.isAtEnd {
                let step = host.pointee.pieceEnded(
                    transferred: state.pointee.cursor.length, isSuccess: true)
                guard case .submit(let piece) = step else { return carryOut(step) }
                state.pointee.cursor = DMAPieceCursor(piece)
            }
            let job = self.job
            if job.available == 0 {
                if host.pointee.isStopped { return failTransfer(nil) }
                let next = job.position / UInt64(max(job.fields.size, 1))
                let left = job.sectorCount &- next
                return request(next, count: Int(min(left, UInt64(ATAPIDrive.bufferSectors))))
            }
            let available = Int(clamping: job.available)
            let moved = unsafe state.pointee.cursor.move(
                buffer.address(of: job.place, count: available), count: available,
                demand.direction)
            guard let moved else {
                let done = state.pointee.cursor.done
                return carryOut(host.pointee.memoryFailed(transferred: done))
            }
            self.job.position &+= UInt64(moved)
        }
    }

    // MARK: How transfers end

    func goOn(after result: DMAResult) {
        guard result.outcome == .success else { return endFailed(state.pointee.failure) }
        if job.kind == .selecting { selectModes() } else { succeed() }
    }

    /// Fails a command that reads the disc, by PIO or DMA. Without a sense it was the guest that
    /// stopped the command. The command ends when guest memory has what was transferred.
    func failTransfer(_ sense: Sense?, _ transferred: UInt64? = nil) {
        guard job.isDMA, host.pointee.state == .held else {
            if job.isDMA { transferEnd = .failure }
            return endFailed(sense)
        }
        state.pointee.failure = sense
        // The cursor of a transfer that goes without the buffer is that of an earlier one.
        let moved = transferred ?? (job.isDirect ? 0 : state.pointee.cursor.done)
        carryOut(host.pointee.pieceEnded(transferred: moved, isSuccess: false))
    }

    private func endFailed(_ sense: Sense?) {
        if let sense { fail(sense) } else { abort() }
    }

    /// Keeps the command until the emulator resumes. A transfer is then repeated from its start.
    func park() {
        if job.isDMA {
            job.position = 0
            job.heldFirst = 0
            job.heldCount = 0
        }
        host.pointee.park()
    }
}
