public import BlockIO
public import GuestMemory

// Transfers that a queue carries out, and what queue and mapper have to say.
extension HostRequest {
    /// Begins a transfer, what `DMAMapper.begin(_:_:alignment:unit:userData:)` has returned,
    /// whose data begins at byte `offset` of the image.
    public mutating func begin(
        _ transfer: DMATransfer, _ step: DMAStep, on queue: BlockQueue, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) -> HostAnswer {
        precondition(state == .idle, "the host is at work on another request")
        isStopped = false
        self.transfer = .passUnretained(transfer)
        self.offset = offset
        self.durability = durability
        return carryOut(step, of: transfer, on: queue)
    }

    /// Takes a completion whose `userData` is the tag.
    public mutating func complete(
        _ completion: BlockCompletion, on queue: BlockQueue
    ) -> HostAnswer {
        precondition(
            state == .submitted || state == .abandoned, "the host has no request with this tag")
        if state == .abandoned { return completeAbandoned(completion) }
        guard isPiece, let transfer else {
            state = transfer == nil ? .idle : .held
            return completion.isSuccess ? .succeeded : .failed
        }
        if completion.isSuccess {
            return transfer._withUnsafeGuaranteedRef {
                carryOut(
                    $0.pieceEnded(transferred: completion.transferred, isSuccess: true), of: $0,
                    on: queue)
            }
        }
        state = .held
        guard completion.isMemoryFault else { return .failed }
        return carryOut(
            transfer.takeUnretainedValue().memoryFailed(transferred: completion.transferred),
            of: transfer.takeUnretainedValue(), on: queue)
    }

    /// Does what a policy says about the request that the host has failed, by `completion`. What the
    /// answer ``HostAnswer/failed`` means now is that the guest is to be told: that is for a request of the
    /// device's own, and a transfer is ``HostAnswer/finished(_:)``.
    public mutating func apply(
        _ action: ErrorAction, to completion: BlockCompletion, on queue: BlockQueue
    ) -> HostAnswer {
        precondition(state == .held || state == .idle, "the host has failed nothing")
        if action == .stop {
            park(transferred: isPiece ? completion.transferred : 0)
            return .pending
        }
        guard isPiece, state == .held, let transfer = transfer?.takeUnretainedValue() else {
            return action == .ignore ? .succeeded : .failed
        }
        let step =
            action == .ignore
            ? transfer.pieceEnded(transferred: completion.length, isSuccess: true)
            : transfer.pieceEnded(transferred: completion.transferred, isSuccess: false)
        return carryOut(step, of: transfer, on: queue)
    }

    /// Goes on with a transfer that has waited: what `DMAMapper.resume(_:)` hands out.
    /// ``HostAnswer/pending`` when it is not the transfer of this request.
    public mutating func resume(
        _ transfer: DMATransfer, _ step: DMAStep, on queue: BlockQueue
    ) -> HostAnswer {
        guard owns(transfer) else { return .pending }
        if state == .abandoned { return endAbandoned(step) }
        return carryOut(step, of: transfer, on: queue)
    }

    @inline(__always)
    private mutating func carryOut(
        _ step: DMAStep, of transfer: DMATransfer, on queue: BlockQueue
    ) -> HostAnswer {
        switch step {
        case .submit(let piece):
            isPiece = true
            state = .submitted
            queue.submit(
                piece, transfer.direction, at: offset &+ piece.offset.rawValue,
                durability: durability,
                userData: tag)
            return .pending
        case .wait:
            state = .waiting
            return .pending
        case .done(let result):
            self.transfer = nil
            state = .idle
            return .finished(result)
        }
    }

    /// Gives the memory back, and that is all.
    @inline(never)
    private mutating func completeAbandoned(_ completion: BlockCompletion) -> HostAnswer {
        guard let transfer else {
            state = .idle
            return .released
        }
        // What a request of the device's own has moved says nothing about the piece.
        return endAbandoned(
            transfer.takeUnretainedValue().pieceEnded(
                transferred: isPiece ? completion.transferred : 0,
                isSuccess: isPiece && completion.isSuccess))
    }
}
