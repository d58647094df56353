public import BlockIO
public import GuestMemory

// Transfers that a queue carries out: the first piece, completions, and the pieces that follow.
extension HostRequest {
    /// Begins a transfer, what `DMAMapper.begin(_:_:alignment:unit:userData:)` has returned,
    /// whose data begins at byte `offset` of the image.
    ///
    /// Unsafe, because the kernel uses the memory, and the mapper may free the transfer when it has ended:
    /// from here on only this request answers the transfer, and takes each step, and each completion of its
    /// own requests, once.
    @unsafe
    @inlinable
    @inline(__always)
    public mutating func begin(
        _ transfer: DMATransfer, _ step: DMAStep, on queue: BlockQueue, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) -> HostAnswer {
        precondition(current == .idle, "the host is at work on another request")
        wasStopped = false
        // It is taken from here with the step `done`.
        unsafe self.transfer = TransferReference(transfer)
        self.offset = offset
        self.durability = durability
        return carryOut(step, of: transfer, on: queue)
    }

    /// Takes over a piece that the device has submitted on the queue itself with the tag as `userData`, in
    /// order to answer a completion other than success, or to abandon it: what
    /// `DMAMapper.adopt(_:_:userData:)` has returned. The piece is all of the transfer.
    ///
    /// Unsafe for the reason of ``begin(_:_:on:at:durability:)``.
    @unsafe
    package mutating func adopt(_ transfer: DMATransfer) {
        precondition(current == .idle, "the host is at work on another request")
        wasStopped = false
        // It is taken from here with the step `done`.
        unsafe self.transfer = TransferReference(transfer)
        isPiece = true
        current = .submitted
    }

    /// Takes a completion whose `userData` is the tag.
    @inlinable
    @inline(__always)
    public mutating func complete(
        _ completion: BlockCompletion, on queue: BlockQueue
    ) -> HostAnswer {
        guard current == .submitted, isPiece, completion.isSuccess else {
            return completeOther(completion, on: queue)
        }
        // A piece has a transfer.
        let step = unsafe transfer.unsafelyUnwrapped.with {
            $0.pieceEnded(transferred: completion.transferred, isSuccess: true)
        }
        guard case .done(let result) = step else { return carryOutNext(step, on: queue) }
        self.transfer = nil
        current = .idle
        return .transferCompleted(result)
    }

    /// The command has ended. The request is idle again, for the next command.
    @inlinable
    @inline(__always)
    public mutating func commandEnded() {
        precondition(!isBusy, "a command ends while memory is in use for it")
        current = .idle
        wasStopped = false
    }

    /// Carries out a step after the first. It is a function of its own, because most transfers have
    /// one piece, and `@usableFromInline`, because ``complete(_:on:)`` is inlined.
    @usableFromInline
    @inline(never)
    mutating func carryOutNext(_ step: DMAStep, on queue: BlockQueue) -> HostAnswer {
        guard let transfer else { preconditionFailure("a step of no transfer") }
        return carryOut(step, of: transfer.transfer, on: queue)
    }

    /// Takes a completion other than that of a piece that has succeeded. `@usableFromInline`,
    /// because ``complete(_:on:)`` is inlined.
    @usableFromInline
    @inline(never)
    mutating func completeOther(
        _ completion: BlockCompletion, on queue: BlockQueue
    ) -> HostAnswer {
        guard isPiece, current == .submitted, let transfer else {
            return completeRest(completion)
        }
        current = .held
        guard completion.isMemoryFault else { return .failed }
        // The mapper lets go of a transfer that is over; it has to live until this returns.
        let held = transfer.transfer
        return carryOut(
            held.memoryFailed(transferred: completion.transferred), of: held, on: queue)
    }

    /// Takes the completion of a request of the device's own, or of a command that was abandoned.
    mutating func completeRest(_ completion: BlockCompletion) -> HostAnswer {
        precondition(
            current == .submitted || current == .abandoned, "the host has no request with this tag")
        if current == .abandoned { return completeAbandoned(completion) }
        current = transfer == nil ? .idle : .held
        return completion.isSuccess ? .succeeded : .failed
    }

    /// Carries out the action of a policy for the request that has failed with `completion`. With
    /// ``ErrorAction/report`` the answer is ``HostAnswer/failed`` for a request of the device's
    /// own, and ``HostAnswer/transferCompleted(_:)`` for a transfer.
    public mutating func apply(
        _ action: ErrorAction, to completion: BlockCompletion, on queue: BlockQueue
    ) -> HostAnswer {
        precondition(current == .held || current == .idle, "the host has failed nothing")
        if action == .stop {
            park()
            return .pending
        }
        guard isPiece, current == .held, let transfer = transfer?.transfer else {
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
        if current == .abandoned { return endAbandoned(step) }
        return carryOut(step, of: transfer, on: queue)
    }

    @inlinable
    @inline(__always)
    mutating func carryOut(
        _ step: DMAStep, of transfer: DMATransfer, on queue: BlockQueue
    ) -> HostAnswer {
        switch step {
        case .submit(let piece):
            isPiece = true
            current = .submitted
            // The piece is answered when the queue has completed the request, as `begin` demands.
            unsafe queue.submit(
                piece, transfer.direction, at: offset &+ piece.offset.rawValue,
                durability: durability,
                userData: tag)
            return .pending
        case .wait:
            current = .waiting
            return .pending
        case .done(let result):
            self.transfer = nil
            current = .idle
            return .transferCompleted(result)
        }
    }

    /// Releases the memory of an abandoned command.
    @inline(never)
    private mutating func completeAbandoned(_ completion: BlockCompletion) -> HostAnswer {
        guard let transfer else {
            current = .idle
            return .released
        }
        // What a request of the device's own has moved says nothing about the piece.
        return endAbandoned(
            transfer.transfer.pieceEnded(
                transferred: isPiece ? completion.transferred : 0,
                isSuccess: isPiece && completion.isSuccess))
    }
}

// The bridge between guest memory and images: a piece of a transfer becomes a request.
extension BlockQueue {
    /// Makes a request of a piece of a transfer: a read of the image for a transfer
    /// `DMADirection.fromDevice`, a write otherwise. `offset` is where in the image the
    /// piece begins, in bytes.
    ///
    /// Unsafe, because the kernel uses the memory of the piece: the transfer must not be answered before the
    /// request has completed, nor the piece be submitted after that.
    @unsafe
    @inlinable
    @inline(__always)
    public func submit(
        _ piece: DMAPiece, _ direction: DMADirection, at offset: UInt64,
        durability: WriteDurability = .volatile, userData: UInt
    ) {
        switch direction {
        case .fromDevice: unsafe readv(piece.vectors, at: offset, userData: userData)
        case .toDevice:
            unsafe writev(
                piece.vectors, at: offset, durability: durability, userData: userData)
        }
    }
}
