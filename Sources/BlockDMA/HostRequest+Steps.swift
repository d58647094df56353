public import BlockIO
public import GuestMemory

// For a device that fills or empties the pieces of a transfer itself.
extension HostRequest {
    /// Begins a transfer: what `DMAMapper.begin(_:_:alignment:unit:userData:)` has returned.
    /// With `DMAStep.submit(_:)` the device holds the piece and answers it with
    /// ``pieceEnded(transferred:isSuccess:)`` or ``memoryFailed(transferred:)``.
    ///
    /// Unsafe, because the mapper may free the transfer when it has ended: from here on only this request
    /// answers the transfer, and takes each of its steps once.
    @unsafe
    public mutating func begin(_ transfer: DMATransfer, _ step: DMAStep) -> DMAStep {
        precondition(current == .idle, "the host is at work on another request")
        wasStopped = false
        isPiece = false
        // It is taken from here with the step `done`.
        unsafe self.transfer = TransferReference(transfer)
        return note(step)
    }

    /// Answers the piece that the device holds: see
    /// `DMATransfer.pieceEnded(transferred:isSuccess:)`.
    public mutating func pieceEnded(transferred: UInt64, isSuccess: Bool) -> DMAStep {
        note(heldTransfer.pieceEnded(transferred: transferred, isSuccess: isSuccess))
    }

    /// Answers the piece that the device holds, whose memory has gone: see
    /// `DMATransfer.memoryFailed(transferred:)`.
    public mutating func memoryFailed(transferred: UInt64) -> DMAStep {
        note(heldTransfer.memoryFailed(transferred: transferred))
    }

    /// Takes a completion whose `userData` is the tag, for a device that takes the steps of its transfers
    /// itself and so has only requests of its own on the queue.
    public mutating func complete(_ completion: BlockCompletion) -> HostAnswer {
        precondition(!isPiece, "a piece that was given to a queue goes on with a queue")
        return completeRest(completion)
    }

    /// Goes on with a transfer that has waited: what `DMAMapper.resume(_:)` hands out. `nil` when
    /// it is not the transfer of this request, or when the command was abandoned; ``isBusy`` then
    /// says whether memory is still in use.
    public mutating func resume(_ transfer: DMATransfer, _ step: DMAStep) -> DMAStep? {
        guard owns(transfer) else { return nil }
        guard current == .abandoned else { return note(step) }
        endAbandoned(step)
        return nil
    }

    private var heldTransfer: DMATransfer {
        guard current == .held, let transfer else {
            preconditionFailure("the device holds no piece")
        }
        return transfer.transfer
    }

    /// Follows a step of the transfer.
    mutating func note(_ step: DMAStep) -> DMAStep {
        switch step {
        case .submit: current = .held
        case .wait: current = .waiting
        case .done:
            transfer = nil
            current = .idle
        }
        return step
    }

    /// A transfer that was cancelled has taken a step: no piece comes, but bytes may be on their way to
    /// another process.
    @discardableResult
    mutating func endAbandoned(_ step: DMAStep) -> HostAnswer {
        if case .wait = step { return .pending }
        transfer = nil
        current = .idle
        return .released
    }
}
