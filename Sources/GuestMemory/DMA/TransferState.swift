import Glibc

/// The state of a ``DMATransfer``:
///
///     begin -> (waiting -> resume)* -> submitted -> pieceEnded -> ... -> done
///
/// It holds a map, and the resolvers' word that their answers stay good, from begin to done.
struct TransferState: ~Copyable {
    enum Phase: UInt8 { case idle, waiting, submitted }

    let mapper: Unmanaged<MapperCore>
    let waiter: BounceWaiter
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
    private(set) var isCancelled = false
    /// Link in the mapper's list of free or of waiting transfers.
    var next: Unmanaged<DMATransfer>?

    init(mapper: Unmanaged<MapperCore>, waiter: BounceWaiter) {
        self.mapper = mapper
        self.waiter = waiter
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
            core.directBytes &+= list.total
            return .submit(
                DMAPiece(
                    vectors: UnsafeBufferPointer(start: list.vectors, count: list.count),
                    offset: 0, length: list.total))
        }
        // Transforming resolvers are promised words of 8 bytes.
        let unit = Swift.max(unit, alignment, core.resolvers.isEmpty ? 1 : 8)
        self.unit = UInt64(unit)
        bounceLimit = Swift.max(core.options.bounceLimit ?? core.pool.size, unit)
        pieces.reset()
        return nextPiece()
    }

    /// Holds a map and maps the list on it.
    private mutating func map(
        _ elements: UnsafeBufferPointer<ScatterGatherList.Element>, alignment: Int,
        core: MapperCore
    ) throws(GuestMemoryError) {
        let (slot, held) = core.space.hold()
        mapSlot = slot
        map = held
        for resolver in core.resolvers { tokens.append(resolver.beginTransfer()) }
        let rules = SegmentList.Rules(
            direction: direction, alignment: alignment, forceBounce: core.options.forceBounce,
            maximumSegments: core.options.maximumSegments,
            reentrancy: core.reentrancy.map { .passUnretained($0) })
        try list.map(
            elements, on: held.takeUnretainedValue(), through: core.resolvers, rules)
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

    /// Goes on if the pool has given what was waited for.
    mutating func resume() -> DMAStep? {
        let pool = mapper._withUnsafeGuaranteedRef { $0.pool }
        buffer = pool.collect(waiter)
        return buffer == nil ? nil : submitPiece()
    }

    private mutating func submitPiece() -> DMAStep {
        let core = mapper.takeUnretainedValue()
        let vectors = pieces.build(list, over: buffer)
        if direction == .toDevice, let buffer, let map {
            core.reentrancy?.enter()
            defer { core.reentrancy?.leave() }
            do throws(GuestMemoryError) {
                try pieces.copyIn(
                    list, to: buffer, from: map.takeUnretainedValue(), through: core.resolvers)
            } catch {
                return done(.fault(error))
            }
        }
        phase = .submitted
        let length = pieces.end - pieces.position
        core.bouncedBytes &+= UInt64(pieces.bounced)
        core.directBytes &+= length &- UInt64(pieces.bounced)
        return .submit(DMAPiece(vectors: vectors, offset: pieces.position, length: length))
    }

    mutating func pieceEnded(transferred count: UInt64, isSuccess: Bool) -> DMAStep {
        precondition(phase == .submitted, "no piece of this transfer is submitted")
        if list.bounced == 0 {
            if direction == .fromDevice { list.markWritten(limit: list.total) }
            transferred = isSuccess ? list.total : Swift.min(count, list.total)
            return done(isSuccess ? .success : .deviceFailed)
        }
        let length = pieces.end &- pieces.position
        let count = isSuccess ? length : Swift.min(count, length)
        let failure = direction == .fromDevice ? copyOut(count) : nil
        releaseBuffer()
        if let failure { return done(.fault(failure)) }
        transferred &+= count
        if !isSuccess { return done(.deviceFailed) }
        if pieces.end == list.total { return done(.success) }
        if isCancelled { return done(.cancelled) }
        pieces.advance(list)
        return nextPiece()
    }

    private func copyOut(_ count: UInt64) -> GuestMemoryError? {
        guard let map else { return nil }
        let core = mapper.takeUnretainedValue()
        core.reentrancy?.enter()
        defer { core.reentrancy?.leave() }
        return pieces.copyOut(
            list, from: buffer, to: map.takeUnretainedValue(), through: core.resolvers,
            limit: count)
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

    private mutating func done(_ outcome: DMAResult.Outcome) -> DMAStep {
        releaseBuffer()
        let core = mapper.takeUnretainedValue()
        core.space.release(mapSlot)
        map = nil
        if !tokens.isEmpty {
            for (resolver, token) in zip(core.resolvers, tokens) { resolver.endTransfer(token) }
            tokens.removeAll(keepingCapacity: true)
        }
        phase = .idle
        return .done(DMAResult(outcome: outcome, transferred: transferred))
    }

    private mutating func releaseBuffer() {
        guard let memory = buffer else { return }
        buffer = nil
        mapper._withUnsafeGuaranteedRef { $0.pool }.give(back: memory, bufferSize)
    }
}
