import BlockHost
import Glibc

/// The state of a ``DMATransfer``:
///
///     begin -> waiting -> resume -> submitted -> pieceEnded -> ... -> done
///
/// Where memory of another process has a part in it, there is another wait on either side of
/// `submitted`: for its bytes to come (`fetching`), or to have got there (`storing`).
///
/// It holds a map, and the resolvers' word that their answers stay good, from begin to done.
struct TransferState: ~Copyable {
    enum Phase: UInt8 { case idle, waiting, fetching, submitted, storing }

    let mapper: Unmanaged<MapperCore>
    let waiter: BounceWaiter
    let answer: RemoteAnswer
    private var list = SegmentList(capacity: 64)
    private var pieces = PieceBuilder()
    private var tokens: [Int] = []

    private(set) var phase = Phase.idle
    private(set) var direction = DMADirection.toDevice
    var userData: UInt = 0
    private var map: Unmanaged<MemoryMap>?
    private var mapSlot = 0
    private var unit: UInt64 = 1
    private var bounceLimit = 0
    private var buffer: UnsafeMutableRawPointer?
    private var bufferSize = 0
    private var transferred: UInt64 = 0
    /// How the piece ended whose bytes another process is storing.
    private var ended = (count: UInt64(0), isSuccess: false)
    /// What else went wrong with it.
    private var storingFailure: GuestMemoryError?
    /// The host memory of the piece.
    private var vectors = UnsafeBufferPointer<iovec>(start: nil, count: 0)
    private(set) var isCancelled = false
    /// Memory that has gone while a piece was submitted.
    private var loss: GuestMemoryError?
    /// The number of its wait, in the order in which transfers of the mapper began to wait.
    var wait: UInt64 = 0
    /// Link in the mapper's list of free transfers.
    var next: Unmanaged<DMATransfer>?

    init(mapper: Unmanaged<MapperCore>, waiter: BounceWaiter, answer: RemoteAnswer) {
        self.mapper = mapper
        self.waiter = waiter
        self.answer = answer
    }

    /// Room for this many iovecs.
    var capacity: Int { list.capacity }

    /// All bytes.
    var total: UInt64 { list.total }

    // MARK: Begin

    mutating func begin(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, _ direction: DMADirection,
        alignment: Int, unit: Int, core: MapperCore
    ) -> DMAStep {
        self.direction = direction
        isCancelled = false
        transferred = 0
        do throws(GuestMemoryError) {
            try map(elements, alignment: alignment, core: core)
        } catch {
            return done(.fault(error))
        }
        if list.bounced == 0 {
            phase = .submitted
            core.state.pointee.directBytes &+= list.total
            return .submit(
                DMAPiece(
                    vectors: UnsafeBufferPointer(start: list.vectors, count: list.count),
                    offset: 0, length: list.total))
        }
        // Transforming resolvers are promised words of 8 bytes.
        let unit = Swift.max(unit, alignment, core.hasResolvers ? 8 : 1)
        self.unit = UInt64(unit)
        bounceLimit = Swift.max(core.state.pointee.options.bounceLimit ?? core.pool.size, unit)
        pieces.reset()
        return nextPiece()
    }

    /// Holds a map and maps the list on it.
    @inline(__always)
    private mutating func map(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, alignment: Int,
        core: MapperCore
    ) throws(GuestMemoryError) {
        let (slot, held) = core.space.hold()
        mapSlot = slot
        map = held
        let rules = SegmentList.Rules(
            direction: direction, alignment: alignment,
            forceBounce: core.state.pointee.options.forceBounce,
            maximumSegments: core.state.pointee.options.maximumSegments,
            reentrancy: core.reentrancy.map { .passUnretained($0) })
        let ranges = held._withUnsafeGuaranteedRef { $0.ranges }
        if core.hasResolvers {
            try mapResolved(elements, on: ranges, core, rules)
        } else {
            try list.map(elements, on: ranges, rules)
        }
        if MemoryWatch.isAnyLost { try list.refuseLoss(on: ranges) }
    }

    private mutating func mapResolved(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, on map: FlatRanges,
        _ core: MapperCore, _ rules: SegmentList.Rules
    ) throws(GuestMemoryError) {
        for resolver in core.resolvers { tokens.append(resolver.beginTransfer()) }
        // Tables of an IOMMU can be anywhere, in the device's registers too.
        try ReentrancyGuard.within(core.reentrancy) { () throws(GuestMemoryError) in
            try list.map(elements, on: map, through: core.resolvers, rules)
        }
    }

    // MARK: Pieces

    private mutating func nextPiece() -> DMAStep {
        pieces.measure(list, unit: unit, limit: bounceLimit)
        if pieces.bounced > 0 {
            let pool = mapper._withUnsafeGuaranteedRef { $0.pool }
            bufferSize = pieces.bounced
            buffer = pool.take(bufferSize, for: waiter)
            if buffer == nil {
                phase = .waiting
                return .wait
            }
        }
        return submitPiece()
    }

    /// Goes on: what was waited for is there.
    mutating func resume() -> DMAStep {
        let grant = mapper._withUnsafeGuaranteedRef { $0.pool }.collect(waiter)
        switch phase {
        case .idle, .submitted: preconditionFailure("a transfer goes on that did not wait")
        case .waiting:
            buffer = grant
            return submitPiece()
        case .fetching:
            if isCancelled { return done(.cancelled) }
            return answer.hasFailed ? done(.fault(remoteFault)) : submitFetched()
        case .storing: return stored(answer.hasFailed ? remoteFault : nil)
        }
    }

    /// Which of several requests failed is not known: the first address stands for all.
    private var remoteFault: GuestMemoryError {
        GuestMemoryError(.remoteFailed, at: list.segments[0].deviceAddress)
    }

    private mutating func submitPiece() -> DMAStep {
        if MemoryWatch.isAnyLost, let loss = list.loss() { return done(.fault(loss)) }
        vectors = pieces.build(list, over: buffer)
        if direction == .toDevice, let buffer, let map {
            answer.begin()
            pieces.fetch(list, to: buffer, from: map.takeUnretainedValue(), answer)
            if answer.isWaiting() {
                phase = .fetching
                return .wait
            }
            if answer.hasFailed { return done(.fault(remoteFault)) }
        }
        return submitFetched()
    }

    private mutating func submitFetched() -> DMAStep {
        let core = mapper.takeUnretainedValue()
        // Whoever is called while data is copied must find that it is too late to cancel.
        phase = .submitted
        if direction == .toDevice, let buffer, let map {
            do throws(GuestMemoryError) {
                try ReentrancyGuard.within(core.reentrancy) { () throws(GuestMemoryError) in
                    try pieces.copyIn(
                        list, to: buffer, from: map.takeUnretainedValue(), through: core.resolvers)
                }
            } catch {
                return done(.fault(error))
            }
        }
        let length = pieces.end &- pieces.position
        core.state.pointee.bouncedBytes &+= UInt64(pieces.bounced)
        core.state.pointee.directBytes &+= length &- UInt64(pieces.bounced)
        return .submit(DMAPiece(vectors: vectors, offset: pieces.position, length: length))
    }

    /// `written` is how many bytes of the piece the device may have written: nobody knows of one
    /// that failed.
    mutating func pieceEnded(
        transferred count: UInt64, isSuccess: Bool, written: UInt64 = .max
    ) -> DMAStep {
        precondition(phase == .submitted, "no piece of this transfer is submitted")
        if MemoryWatch.isAnyLost, let step = notedLoss(isSuccess: isSuccess, written: written) {
            return step
        }
        if list.bounced == 0 {
            if direction == .fromDevice { list.markWritten(limit: Swift.min(written, list.total)) }
            transferred = isSuccess ? list.total : Swift.min(count, list.total)
            return isSuccess ? done(.success) : failed()
        }
        let length = pieces.end &- pieces.position
        ended = (isSuccess ? length : Swift.min(count, length), isSuccess)
        guard direction == .fromDevice else { return stored(nil) }
        answer.begin()
        let failure = copyOut(ended.count, written: written)
        if answer.isWaiting() {
            phase = .storing
            storingFailure = failure
            return .wait
        }
        return stored(failure ?? (answer.hasFailed ? remoteFault : nil))
    }

    /// The device or the kernel has found memory missing, after `count` bytes of the piece.
    mutating func memoryFailed(transferred count: UInt64) -> DMAStep {
        precondition(phase == .submitted, "no piece of this transfer is submitted")
        list.probe(from: list.bounced == 0 ? TransferOffset(count) : pieces.position &+ count)
        let first = list.loss() ?? .lost(at: list.deviceAddress(of: 0))
        return pieceLost(first, transferred: count)
    }

    /// The piece ends as one that the device has failed, but for the outcome.
    private mutating func pieceLost(
        _ loss: GuestMemoryError, transferred count: UInt64, written: UInt64 = .max
    ) -> DMAStep {
        self.loss = loss
        return pieceEnded(transferred: count, isSuccess: false, written: written)
    }

    /// Ends a piece as lost that has gone well otherwise, if some of its memory is.
    @inline(never)
    private mutating func notedLoss(isSuccess: Bool, written: UInt64) -> DMAStep? {
        guard loss == nil, isSuccess || written != .max, let loss = list.loss() else { return nil }
        return pieceLost(loss, transferred: 0, written: written)
    }

    /// The result of a piece that has failed.
    @inline(never)
    private mutating func failed() -> DMAStep {
        defer { loss = nil }
        return done(loss.map { .fault($0) } ?? .deviceFailed)
    }

    /// Guest memory has what the piece brought.
    private mutating func stored(_ failure: GuestMemoryError?) -> DMAStep {
        releaseBuffer()
        let failure = storingFailure ?? failure
        storingFailure = nil
        if let failure {
            loss = nil
            return done(.fault(failure))
        }
        transferred &+= ended.count
        if !ended.isSuccess { return failed() }
        if pieces.end.rawValue == list.total { return done(.success) }
        if isCancelled { return done(.cancelled) }
        pieces.advance(list)
        return nextPiece()
    }

    private func copyOut(_ count: UInt64, written: UInt64) -> GuestMemoryError? {
        guard let map else { return nil }
        let core = mapper.takeUnretainedValue()
        return ReentrancyGuard.within(core.reentrancy) {
            pieces.copyOut(
                list, from: buffer, to: map.takeUnretainedValue(), through: core.resolvers,
                limit: count, written: written, answer)
        }
    }

    // MARK: End

    /// Drops the pieces that have not been submitted; the result, when there is nothing to wait
    /// for.
    mutating func cancel() -> DMAStep? {
        isCancelled = true
        guard phase == .waiting else { return nil }
        mapper._withUnsafeGuaranteedRef { $0.pool }.withdraw(waiter)
        return done(.cancelled)
    }

    /// Ends it although a piece is submitted, which nobody has looked at.
    mutating func abandon() -> DMAStep { done(.cancelled) }

    @inline(__always)
    private mutating func done(_ outcome: DMAResult.Outcome) -> DMAStep {
        release()
        return .done(DMAResult(outcome: outcome, transferred: transferred))
    }

    private mutating func release() {
        if buffer != nil { releaseBuffer() }
        let slot = mapSlot
        mapper._withUnsafeGuaranteedRef { $0.space.release(slot) }
        map = nil
        if !tokens.isEmpty { endResolving() }
        phase = .idle
    }

    private mutating func endResolving() {
        let resolvers = mapper._withUnsafeGuaranteedRef { $0.resolvers }
        for (resolver, token) in zip(resolvers, tokens) { resolver.endTransfer(token) }
        tokens.removeAll(keepingCapacity: true)
    }

    private mutating func releaseBuffer() {
        guard let memory = buffer else { return }
        buffer = nil
        mapper._withUnsafeGuaranteedRef { $0.pool }.give(back: memory, bufferSize)
    }
}
