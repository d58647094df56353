import BlockDMA
import BlockIO
import GuestMemory

// Data by DMA (ATA/ATAPI-6 9.9): blocks from the queue into guest memory without a copy, everything
// else through the buffer.
extension ATAPIDrive {
    /// START and the packet are both there: the table is read, and then everything is checked before
    /// anything moves.
    func startTransfer() {
        registers.pointee.status = Status.working
        state.pointee.isStopped = false
        switch channel.prepareTransfer(state.pointee.job.length) {
        case .fault:
            channel.transferEnded(.fault)
            abort()
        case .short:
            // As with a disk: nothing happens, and nobody is told.
            channel.transferEnded(.failure)
            succeed(interrupt: false)
        case .ready: beginTransfer()
        }
    }

    private func beginTransfer() {
        if state.pointee.job.isMediumGone { return failTransfer(.mediumNotPresent) }
        let (transfer, step) = channel.beginTransfer(
            of: slot.device, direction, unit: state.pointee.job.isDirect ? 512 : 1)
        state.pointee.transfer = .passUnretained(transfer)
        perform(step, of: transfer)
    }

    private var direction: DMADirection {
        state.pointee.job.kind == .selecting ? .toDevice : .fromDevice
    }

    private func perform(_ step: DMAStep, of transfer: DMATransfer) {
        let job = state.pointee.job
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
            state.pointee.isInFlight = true
            _ = medium.queue.perform(
                step, of: transfer, at: UInt64(job.block) &* UInt64(Disc.blockSize))
        case .wait: state.pointee.cursor = DMAPieceCursor()
        case .done(let result): finish(result)
        }
    }

    // MARK: Without a copy

    /// Asks for the user data of as many raw sectors as one request takes.
    private func readSpread(_ queue: BlockQueue) {
        state.pointee.isInFlight = true
        let offset = state.pointee.spread.imageOffset
        // The buffer has no data while a transfer goes without it.
        let count = state.pointee.spread.layNext(vectors, between: buffer)
        queue.readv(UnsafeBufferPointer(start: vectors, count: count), at: offset)
    }

    /// The host has answered a piece, or a request for a part of it.
    func pieceEnded(_ completion: BlockCompletion) {
        guard let entry = state.pointee.transfer else { return }
        let transfer = entry.takeUnretainedValue()
        if state.pointee.job.isMediumGone { return failTransfer(.mediumNotPresent) }
        let layout = layout
        var transferred = completion.transferred
        if layout.isRaw { transferred = state.pointee.spread.reached(transferred) }
        if completion.isMemoryFault {
            return perform(transfer.memoryFailed(transferred: transferred), of: transfer)
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
                return readSpread(queue)
            }
            transferred = state.pointee.spread.length
        }
        perform(transfer.pieceEnded(transferred: transferred, isSuccess: true), of: transfer)
    }

    // MARK: Through the buffer

    /// Moves what there is, and sees to it that there is more.
    func moveData() {
        guard let entry = state.pointee.transfer else { return }
        let transfer = entry.takeUnretainedValue()
        while true {
            if state.pointee.cursor.isAtEnd {
                let step = transfer.pieceEnded(
                    transferred: state.pointee.cursor.length, isSuccess: true)
                guard case .submit(let piece) = step else { return perform(step, of: transfer) }
                state.pointee.cursor = DMAPieceCursor(piece)
            }
            let job = state.pointee.job
            if job.available == 0 {
                if state.pointee.isStopped { return failTransfer(nil) }
                let next = job.position / UInt64(max(job.fields.size, 1))
                let left = job.sectorCount &- next
                return request(next, count: Int(min(left, UInt64(Self.bufferSectors))))
            }
            let moved = state.pointee.cursor.move(
                buffer + job.place, count: Int(clamping: job.available), direction)
            guard let moved else {
                let done = state.pointee.cursor.done
                return perform(transfer.memoryFailed(transferred: done), of: transfer)
            }
            state.pointee.job.position &+= UInt64(moved)
        }
    }

    // MARK: How transfers end

    private func finish(_ result: DMAResult) {
        state.pointee.transfer = nil
        switch result.outcome {
        case .success:
            channel.transferEnded(.success)
            if state.pointee.job.kind == .selecting { finishSelect() } else { succeed() }
        case .fault:
            channel.transferEnded(.fault)
            abort()
        case .cancelled, .deviceFailed:
            channel.transferEnded(.failure)
            abort()
        }
    }

    /// A command fails whose data comes from the disc, by PIO or DMA. Without a sense it was the
    /// host that gave up.
    func failTransfer(_ sense: Sense?, _ transferred: UInt64? = nil) {
        if state.pointee.job.isDMA {
            releaseTransfer(transferred ?? state.pointee.cursor.done)
            channel.transferEnded(.failure)
        }
        if let sense { fail(sense) } else { abort() }
    }

    /// Gives the memory back.
    private func releaseTransfer(_ transferred: UInt64) {
        guard let entry = state.pointee.transfer else { return }
        _ = entry.takeUnretainedValue().pieceEnded(transferred: transferred, isSuccess: false)
        state.pointee.transfer = nil
        state.pointee.cursor = DMAPieceCursor()
        state.pointee.spread = SpreadPiece()
    }

    /// Keeps the command until the emulator goes on; a transfer then runs again from its start.
    func park() {
        if state.pointee.job.isDMA {
            releaseTransfer(0)
            state.pointee.job.position = 0
            state.pointee.job.heldFirst = 0
            state.pointee.job.heldCount = 0
        }
        state.pointee.job.isParked = true
    }

    func retry() {
        guard state.pointee.job.isParked else { return }
        state.pointee.job.isParked = false
        guard state.pointee.job.isDMA else { return submit() }
        if case .ready = channel.describeTransfer(state.pointee.job.length) { beginTransfer() }
    }

    // MARK: Stopping

    func stopTransfer() {
        let job = state.pointee.job
        guard job.isDMA, job.length > 0, !registers.pointee.isArmed, !state.pointee.isAbandoned
        else { return }
        state.pointee.isStopped = true
        if job.isParked { return failTransfer(nil) }
        guard let entry = state.pointee.transfer else { return }
        if case .done(let result)? = entry.takeUnretainedValue().cancel() { finish(result) }
    }

    func resumeTransfer(_ transfer: DMATransfer, _ step: DMAStep) {
        guard state.pointee.transfer?.toOpaque() == Unmanaged.passUnretained(transfer).toOpaque()
        else { return }
        guard state.pointee.isAbandoned else { return perform(step, of: transfer) }
        // It was cancelled while another process was asked for memory.
        if case .done = step {
            state.pointee.isAbandoned = false
            state.pointee.transfer = nil
        }
    }

    /// After a reset: the memory is given back, and that is all.
    func releaseAbandoned() {
        releaseTransfer(0)
    }
}
