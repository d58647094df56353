import BlockHost
import Glibc

/// One transfer between a device and guest memory, made by
/// ``DMAMapper/begin(_:_:alignment:unit:userData:)``.
///
/// A transfer proceeds in steps (``DMAStep``). The device carries each step out: it submits the
/// piece of memory, answers the piece when nobody uses its memory any more, and is given the next
/// step. After ``DMAStep/done(_:)`` the object belongs to the mapper, which uses it again.
public final class DMATransfer {
    /// Behind a pointer, so that no access is checked at run time.
    let state: StablePointer<State>

    init(mapper: DMAMapper.Core) {
        let waiter = BounceWaiter(ready: mapper.ready)
        let pool = mapper.pool
        // The core keeps its transfers, and stays while one of them is active.
        state = unsafe StablePointer(
            allocating: State(
                mapper: UnretainedReference(mapper), waiter: waiter,
                answer: RemoteAnswer { pool.makeReady(waiter) }))
        waiter.transfer = unsafe UnretainedReference(self)
    }

    deinit { unsafe state.destroy() }

    /// The value that the device gave to ``DMAMapper/begin(_:_:alignment:unit:userData:)``.
    public var userData: UInt { state.pointee.userData }

    /// The direction of the data.
    public var direction: DMADirection { state.pointee.direction }

    /// Whether the transfer waits for bounce buffers, or for the memory of another process.
    public var isWaiting: Bool {
        switch state.pointee.phase {
        case .waiting, .fetching, .storing: true
        case .idle, .submitted: false
        }
    }

    // MARK: Answers of the device

    /// Answers a piece: the device has transferred its first `count` bytes, or all of them if
    /// `isSuccess`. When this returns, the bytes are in guest memory and their pages are marked. If
    /// memory of another process has to be written, the step is ``DMAStep/wait`` first.
    ///
    /// To be called once for each piece, when neither the device nor the kernel uses its memory any
    /// more.
    public func pieceEnded(transferred count: UInt64, isSuccess: Bool) -> DMAStep {
        state.pointee.beginAnswer()
        return record(state.pointee.pieceEnded(transferred: count, isSuccess: isSuccess))
    }

    /// Answers a piece whose guest memory was lost while the device used it: a copy reported it, or
    /// the kernel answered EFAULT. The device has transferred the first `count` bytes. The transfer
    /// ends with ``DMAResult/Outcome/fault(_:)``, and the memory is lost for all other transfers as
    /// well (``GuestRAM/surviveTruncation()``).
    public func memoryFailed(transferred count: UInt64) -> DMAStep {
        state.pointee.beginAnswer()
        return record(state.pointee.memoryFailed(transferred: count))
    }

    /// Answers the only piece of a transfer whose device has written its first `count` bytes and
    /// no others.
    func unmap(written count: UInt64) -> DMAStep {
        state.pointee.beginAnswer()
        return record(
            state.pointee.pieceEnded(
                transferred: count, isSuccess: count == state.pointee.total, written: count))
    }

    /// Cancels the pieces that have not been submitted. Returns the last step of a transfer that
    /// was waiting for bounce buffers. Returns `nil` while a piece is submitted: the answer to that
    /// piece brings the result. Returns `nil` also while another process has not answered:
    /// ``DMAMapper/resume(_:)`` then brings the result.
    public func cancel() -> DMAStep? {
        guard let step = state.pointee.cancel() else { return nil }
        state.pointee.mapper.with { $0.endWait() }
        return record(step)
    }

    /// Whether a piece is all of the transfer.
    func isWhole(_ piece: DMAPiece) -> Bool { piece.length == state.pointee.total }

    /// Ends a transfer whose piece was never shown to a device.
    func abandon() { _ = record(state.pointee.abandon()) }

    @inline(__always)
    private func record(_ step: DMAStep) -> DMAStep {
        state.pointee.mapper.with { $0.record(step, of: self) }
    }
}

// MARK: The state

extension DMATransfer {
    // @safe: the pool keeps the bounce buffer until it is given back, and the list keeps the
    // vectors.
    /// The state of a transfer.
    ///
    /// | phase | event | next phase |
    /// |---|---|---|
    /// | idle | `begin`, nothing bounces | submitted |
    /// | idle | `begin`, or the next piece, without enough bounce buffer | waiting |
    /// | waiting | `resume` | fetching or submitted |
    /// | fetching | `resume`: another process has given out its bytes | submitted, or idle if it was cancelled |
    /// | submitted | `pieceEnded` | storing, or the next piece, or idle |
    /// | storing | `resume`: another process has taken its bytes | the next piece, or idle |
    /// | waiting | `cancel` | idle |
    /// | idle | `adopt`: a piece that was submitted without a transfer | submitted |
    ///
    /// The next piece begins like the first one, in waiting, fetching or submitted. From `begin`
    /// until it is idle again, a transfer holds a map and the translations of the resolvers.
    ///
    /// This file has what every transfer does. What only transfers with bounce buffers do is in
    /// DMATransfer+Bouncing.swift.
    @safe struct State: ~Copyable {
        enum Phase: UInt8 { case idle, waiting, fetching, submitted, storing }

        let mapper: UnretainedReference<DMAMapper.Core>
        let waiter: BounceWaiter
        let answer: RemoteAnswer
        var list = SegmentList(capacity: 64)
        var pieces = PieceBuilder()
        private var tokens: [Int] = []

        var phase = Phase.idle
        private(set) var direction = DMADirection.toDevice
        var userData: UInt = 0
        private(set) var map: UnretainedReference<MemoryMap>?
        private var mapSlot = 0
        private(set) var unit: UInt64 = 1
        private(set) var bounceLimit = 0
        var buffer: UnsafeMutableRawPointer?
        var bufferSize = 0
        var transferred: UInt64 = 0
        /// The answer to the piece whose bytes are being copied to guest memory.
        var storedPiece = (count: UInt64(0), isSuccess: false)
        /// Another error of that piece.
        var storingFailure: GuestMemoryError?
        /// The host memory of the piece.
        var vectors = unsafe UnsafeBufferPointer<iovec>(start: nil, count: 0)
        private(set) var isCancelled = false
        /// Memory that was lost while a piece was submitted.
        var loss: GuestMemoryError?
        /// The number of its wait, in the order in which transfers of the mapper began to wait.
        var wait: UInt64 = 0
        /// Link in the mapper's list of free transfers.
        var next: Unmanaged<DMATransfer>?

        init(
            mapper: UnretainedReference<DMAMapper.Core>, waiter: BounceWaiter, answer: RemoteAnswer
        ) {
            self.mapper = mapper
            self.waiter = waiter
            self.answer = answer
        }

        /// How many iovecs fit.
        var capacity: Int { list.capacity }

        /// The length of the transfer in bytes.
        var total: UInt64 { list.total }

        // MARK: Begin

        mutating func begin(
            _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, _ direction: DMADirection,
            alignment: Int, unit: Int, core: DMAMapper.Core
        ) -> DMAStep {
            self.direction = direction
            isCancelled = false
            transferred = 0
            do throws(GuestMemoryError) {
                unsafe try map(elements, alignment: alignment, core: core)
            } catch {
                return done(.fault(error))
            }
            if list.bounced == 0 {
                phase = .submitted
                core.state.pointee.directBytes &+= list.total
                return unsafe .submit(
                    DMAPiece(
                        vectors: UnsafeBufferPointer(start: list.vectors, count: list.count),
                        offset: 0, length: list.total))
            }
            // Transforming resolvers are promised words of 8 bytes.
            let unit = Swift.max(unit, alignment, core.hasResolvers ? 8 : 1)
            self.unit = UInt64(unit)
            bounceLimit = Swift.max(
                core.state.pointee.options.bounceLimit ?? core.pool.size, unit)
            pieces.reset()
            return nextPiece()
        }

        /// Holds a map and maps the list on it.
        @inline(__always)
        private mutating func map(
            _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, alignment: Int,
            core: DMAMapper.Core
        ) throws(GuestMemoryError) {
            let (slot, held) = core.space.hold()
            mapSlot = slot
            map = held
            let rules = SegmentList.Rules(
                direction: direction, alignment: alignment,
                forceBounce: core.state.pointee.options.forceBounce,
                maximumSegments: core.state.pointee.options.maximumSegments,
                reentrancy: core.reentrancy.map { unsafe UnretainedReference($0) })
            let ranges = held.with { $0.ranges }
            if core.hasResolvers {
                unsafe try mapResolved(elements, on: ranges, core, rules)
            } else {
                unsafe try list.map(elements, on: ranges, rules)
            }
            if MemoryWatch.isAnyLost { try list.refuseLoss(on: ranges) }
        }

        private mutating func mapResolved(
            _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, on map: FlatRanges,
            _ core: DMAMapper.Core, _ rules: SegmentList.Rules
        ) throws(GuestMemoryError) {
            for resolver in core.resolvers { tokens.append(resolver.holdTranslations()) }
            // The tables of an IOMMU may lie anywhere, also in the device's own registers.
            try ReentrancyGuard.within(core.reentrancy) { () throws(GuestMemoryError) in
                unsafe try list.map(elements, on: map, through: core.resolvers, rules)
            }
        }

        /// Takes over a piece that the device has submitted, with its hold of the map.
        mutating func adopt(
            _ piece: RAMPiece, _ direction: DMADirection, _ core: DMAMapper.Core
        ) {
            let held = core.space.map(in: piece.slot)
            guard let range = held.with({ $0.range(at: piece.address) }),
                let base = unsafe range.pointee.host
            else { preconditionFailure("the map does not have the memory of a piece") }
            let offset = Int(
                truncatingIfNeeded: piece.address.offset(from: range.pointee.first))
            unsafe list.become(range, base + offset, piece.length)
            mapSlot = piece.slot
            map = held
            self.direction = direction
            isCancelled = false
            transferred = 0
            phase = .submitted
        }

        // MARK: The answer to a piece

        /// An answer begins. It calls functions of others, such as those of devices whose registers
        /// are written, and none of them can answer the piece again.
        @inline(__always)
        mutating func beginAnswer() {
            precondition(phase == .submitted, "no piece of this transfer is submitted")
            phase = .storing
        }

        /// `written` is how many bytes of the piece the device may have written. After a failure
        /// the number is not known, and all of them count as written.
        mutating func pieceEnded(
            transferred count: UInt64, isSuccess: Bool, written: UInt64 = .max
        ) -> DMAStep {
            if MemoryWatch.isAnyLost, let step = notedLoss(isSuccess: isSuccess, written: written) {
                return step
            }
            if list.bounced > 0 {
                return bouncedPieceEnded(
                    transferred: count, isSuccess: isSuccess, written: written)
            }
            if direction == .fromDevice { list.markWritten(limit: Swift.min(written, list.total)) }
            transferred = isSuccess ? list.total : Swift.min(count, list.total)
            return isSuccess ? done(.success) : pieceFailed()
        }

        /// The device or the kernel has found memory missing, after `count` bytes of the piece.
        mutating func memoryFailed(transferred count: UInt64) -> DMAStep {
            list.probe(from: list.bounced == 0 ? TransferOffset(count) : pieces.position &+ count)
            let first = list.loss() ?? .lost(at: list.deviceAddress(of: 0))
            return pieceLost(first, transferred: count)
        }

        /// Ends a piece as one that the device has failed, but the transfer's outcome is `loss`.
        private mutating func pieceLost(
            _ loss: GuestMemoryError, transferred count: UInt64, written: UInt64 = .max
        ) -> DMAStep {
            self.loss = loss
            return pieceEnded(transferred: count, isSuccess: false, written: written)
        }

        /// Ends a piece as lost if some of its memory is lost, although the device has not noticed.
        @inline(never)
        private mutating func notedLoss(isSuccess: Bool, written: UInt64) -> DMAStep? {
            guard loss == nil, isSuccess || written != .max, let loss = list.loss() else {
                return nil
            }
            return pieceLost(loss, transferred: 0, written: written)
        }

        /// The last step after a piece that has failed.
        @inline(never)
        mutating func pieceFailed() -> DMAStep {
            defer { loss = nil }
            return done(loss.map { .fault($0) } ?? .deviceFailed)
        }

        // MARK: End

        /// Cancels the pieces that have not been submitted. Returns the last step if the transfer
        /// does not have to wait for anything.
        mutating func cancel() -> DMAStep? {
            isCancelled = true
            guard phase == .waiting else { return nil }
            phase = .idle
            mapper.with { $0.pool }.withdraw(waiter)
            return done(.cancelled)
        }

        /// Ends the transfer although a piece is submitted, because no device has seen the piece.
        mutating func abandon() -> DMAStep { done(.cancelled) }

        @inline(__always)
        mutating func done(_ outcome: DMAResult.Outcome) -> DMAStep {
            release()
            return .done(DMAResult(outcome: outcome, transferred: transferred))
        }

        private mutating func release() {
            // First, because the functions of others that hear of it may use the transfer.
            phase = .idle
            if unsafe buffer != nil { releaseBuffer() }
            let slot = mapSlot
            mapper.with { $0.space.release(slot) }
            map = nil
            if !tokens.isEmpty { releaseTranslations() }
        }

        private mutating func releaseTranslations() {
            let resolvers = mapper.with { $0.resolvers }
            for (resolver, token) in zip(resolvers, tokens) { resolver.releaseTranslations(token) }
            tokens.removeAll(keepingCapacity: true)
        }
    }
}
