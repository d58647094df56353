/// One transfer between a device and guest memory, made by ``DMAMapper/begin(_:_:alignment:unit:userData:)``.
///
/// It goes from step to step (``DMAStep``), and the device carries the steps out: it submits a
/// piece, answers when that has ended, and is told the next step. After ``DMAStep/done(_:)`` the
/// object belongs to the mapper, which uses it again.
public final class DMATransfer {
    let state: UnsafeMutablePointer<TransferState>

    init(mapper: MapperCore) {
        state = .allocate(capacity: 1)
        let waiter = BounceWaiter(ready: mapper.ready, transfer: .passUnretained(self))
        let pool = mapper.pool
        state.initialize(
            to: TransferState(
                mapper: .passUnretained(mapper), waiter: waiter,
                answer: RemoteAnswer { pool.makeReady(waiter) }))
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// What the device gave with the list.
    public var userData: UInt { state.pointee.userData }

    /// Which way the bytes go.
    public var direction: DMADirection { state.pointee.direction }

    /// Whether it stands in line for bounce buffers, or waits for another process's memory.
    public var isWaiting: Bool {
        switch state.pointee.phase {
        case .waiting, .fetching, .storing: true
        case .idle, .submitted: false
        }
    }

    /// Answers a piece: the device has transferred `count` bytes from the start of it, all of them
    /// if `isSuccess`. Guest memory has the bytes, and their pages are marked, when this returns; with
    /// memory of another process it returns ``DMAStep/wait`` first.
    /// To be called once for each piece, when neither device nor kernel touches its memory any
    /// more.
    public func pieceEnded(transferred count: UInt64, isSuccess: Bool) -> DMAStep {
        handOver(state.pointee.pieceEnded(transferred: count, isSuccess: isSuccess))
    }

    /// Answers a piece, of which the device has transferred `count` bytes from the start, and found then
    /// that guest memory had gone: a copy was told so, or the kernel answered EFAULT. The transfer ends
    /// with ``DMAResult/Outcome/fault(_:)``, and the memory is lost for all other transfers too
    /// (``GuestRAM/surviveTruncation()``).
    public func memoryFailed(transferred count: UInt64) -> DMAStep {
        handOver(state.pointee.memoryFailed(transferred: count))
    }

    /// Answers the only piece of a transfer whose device has written its first `count` bytes and
    /// no others.
    func unmap(written count: UInt64) -> DMAStep {
        handOver(
            state.pointee.pieceEnded(
                transferred: count, isSuccess: count == state.pointee.total, written: count))
    }

    /// Drops the pieces that have not been submitted. Returns the result of a transfer that was
    /// waiting for bounce buffers. `nil` when a piece is submitted: then the answer to that brings the
    /// result; and when another process has been asked: then ``DMAMapper/resume(_:)`` does.
    public func cancel() -> DMAStep? {
        guard let step = state.pointee.cancel() else { return nil }
        state.pointee.mapper._withUnsafeGuaranteedRef { $0.endWait() }
        return handOver(step)
    }

    /// Whether a piece is all of the transfer.
    func isWhole(_ piece: DMAPiece) -> Bool { piece.length == state.pointee.total }

    /// Ends a transfer whose piece was never shown to a device.
    func abandon() { _ = handOver(state.pointee.abandon()) }

    @inline(__always)
    private func handOver(_ step: DMAStep) -> DMAStep {
        state.pointee.mapper._withUnsafeGuaranteedRef { $0.handOver(self, step) }
    }
}
