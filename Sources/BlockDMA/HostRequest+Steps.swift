public import GuestMemory

// For a device that fills or empties the pieces of a transfer itself.
extension HostRequest {
    /// Begins a transfer: what `DMAMapper.begin(_:_:alignment:unit:userData:)` has returned.
    /// With `DMAStep.submit(_:)` the device holds the piece and answers it with
    /// ``pieceEnded(transferred:isSuccess:)`` or ``memoryFailed(transferred:)``.
    public mutating func begin(_ transfer: DMATransfer, _ step: DMAStep) -> DMAStep {
        precondition(state == .idle, "the host is at work on another request")
        isStopped = false
        isPiece = false
        self.transfer = .passUnretained(transfer)
        return take(step)
    }

    /// Answers the piece that the device holds: see
    /// `DMATransfer.pieceEnded(transferred:isSuccess:)`.
    public mutating func pieceEnded(transferred: UInt64, isSuccess: Bool) -> DMAStep {
        take(heldTransfer.pieceEnded(transferred: transferred, isSuccess: isSuccess))
    }

    /// Answers the piece that the device holds, whose memory has gone: see
    /// `DMATransfer.memoryFailed(transferred:)`.
    public mutating func memoryFailed(transferred: UInt64) -> DMAStep {
        take(heldTransfer.memoryFailed(transferred: transferred))
    }

    /// Goes on with a transfer that has waited: what `DMAMapper.resume(_:)` hands out. `nil`
    /// when it is not the transfer of this request, or nobody wants it any more; then ``isBusy`` says
    /// whether it has been released.
    public mutating func resume(_ transfer: DMATransfer, _ step: DMAStep) -> DMAStep? {
        guard owns(transfer) else { return nil }
        guard state == .abandoned else { return take(step) }
        endAbandoned(step)
        return nil
    }

    private var heldTransfer: DMATransfer {
        guard state == .held, let transfer else {
            preconditionFailure("the device holds no piece")
        }
        return transfer.takeUnretainedValue()
    }

    /// Follows a step of the transfer.
    mutating func take(_ step: DMAStep) -> DMAStep {
        switch step {
        case .submit: state = .held
        case .wait: state = .waiting
        case .done:
            transfer = nil
            state = .idle
        }
        return step
    }

    /// A transfer that was cancelled has taken a step: no piece comes, but bytes may be on their way to
    /// another process.
    @discardableResult
    mutating func endAbandoned(_ step: DMAStep) -> HostAnswer {
        if case .wait = step { return .pending }
        transfer = nil
        state = .idle
        return .released
    }
}
