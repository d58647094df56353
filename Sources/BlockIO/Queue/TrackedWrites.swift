/// The writes under way on an image whose host alignment is more than a byte, oldest first, and
/// which of them have to wait for others.
///
/// A write that begins or ends inside a block reads that block, modifies it and writes it: the
/// block is an *edge* of the write. No other write may touch an edge meanwhile, or one of the two
/// would undo the other. All other blocks of a write are its *coverage*, which may overlap the
/// coverage of others, since no order is promised. A write waits for earlier writes only, so no
/// two ever wait for each other:
///
/// | the new write has | an earlier write has | the new write waits for |
/// |---|---|---|
/// | an edge at block b | an edge at block b | the latest such write |
/// | an edge at block b | coverage of block b | all earlier writes |
/// | coverage of block b | an edge at block b | all earlier writes |
///
/// A write *through the page cache*, of the bytes behind the last whole block, has all blocks up to its end
/// as an edge and as coverage: it runs alone. Its pages hold other blocks too, and where a direct write
/// ends while they are being changed, the kernel counts a write-back as failed (EIO of the next
/// fdatasync(2)).
///
/// Neighbouring writes of less than a block meet in the first row, which is exact. The others are seldom
/// met, and waiting for all earlier writes there keeps every step at a cost that grows with the logarithm of the
/// number of writes only. While there is no write with an edge, writes are a list and nothing more.
struct TrackedWrites {
    private var first: RequestPointer?
    private var last: RequestPointer?
    /// Members in ``IORequest/Phase/blocked``.
    private(set) var blockedCount = 0

    /// Members have tickets, and their ranges are in the sets below: from the first write with an edge
    /// until there is no write at all.
    private var isIndexed = false
    private var coverage = RangeCounter()
    private var edges = RangeCounter()
    /// The latest write with an edge at a block, by the block's first byte.
    private var latestAtBlock: [UInt64: EdgePointer] = [:]
    /// The latest member from before the image's alignment changed: later ones wait for all up to it.
    private var fence: RequestPointer?
    private var unusedTickets: [TicketPointer] = []
    private static let keptTickets = 256

    /// Adds a write; true when it has to wait. One through the page cache has an edge.
    mutating func add(
        _ request: RequestPointer, hasEdges: Bool, isThroughCache: Bool = false, blockMask: UInt64
    ) -> Bool {
        request.pointee.isTracked = true
        request.pointee.trackedNext = nil
        request.pointee.trackedPrevious = last
        if let last {
            last.pointee.trackedNext = request
        } else {
            first = request
        }
        last = request
        return hasEdges || isIndexed
            ? addIndexed(request, hasEdges, isThroughCache, blockMask) : false
    }

    /// Takes a write out, blocked or not. Those that need not wait any longer are appended to
    /// `released`, no longer counted as blocked.
    mutating func remove(_ request: RequestPointer, released: inout RequestFIFO) {
        if isIndexed { removeFromIndex(request, &released) }
        let next = request.pointee.trackedNext
        let previous = request.pointee.trackedPrevious
        if let next { next.pointee.trackedPrevious = previous } else { last = previous }
        if let previous { previous.pointee.trackedNext = next } else { first = next }
        request.pointee.isTracked = false
        if isIndexed && first == nil { stopIndexing() }
    }

    /// The size of a block is another from now on.
    mutating func blockSizeChanged() {
        fence = last
        latestAtBlock = [:]
        // Without an index there is none to wait on.
        if last != nil && !isIndexed { index(upTo: nil) }
    }

    /// Frees what is kept for later writes. There must be no write.
    mutating func releaseMemory() {
        // No request knows them.
        for ticket in unusedTickets { unsafe ticket.destroy() }
        unusedTickets = []
    }
}

// The index.
extension TrackedWrites {
    @inline(never)
    private mutating func addIndexed(
        _ request: RequestPointer, _ hasEdges: Bool, _ isThroughCache: Bool, _ blockMask: UInt64
    ) -> Bool {
        if !isIndexed { index(upTo: request) }
        let ticket = makeTicket(request)
        let start = request.pointee.offset
        let end = start + request.pointee.length
        var covered = (start & ~blockMask, (end + blockMask) & ~blockMask)
        if isThroughCache {
            covered.0 = 0
            addEdge(ticket, 0..<covered.1)
        } else if hasEdges {
            let block = blockMask + 1
            if start & blockMask != 0 {
                addEdge(ticket, covered.0..<covered.0 + block)
                covered.0 += block
            }
            if end & blockMask != 0 && covered.0 < covered.1 {
                addEdge(ticket, covered.1 - block..<covered.1)
                covered.1 -= block
            }
        }
        let range = covered.0..<covered.1
        if let earlier = request.pointee.trackedPrevious,
            fence != nil || !range.isEmpty && edges.overlaps(range)
                || ticket.pointee.edges.contains(where: { coverage.overlaps($0.pointee.range) })
        {
            ticket.waitBehind(self.ticket(of: earlier))
            ticket.pointee.waits += 1
        }
        for edge in ticket.pointee.edges { edges.insert(edge.pointee.range) }
        if !range.isEmpty { coverage.insert(range) }
        ticket.pointee.coverage = range
        if ticket.pointee.waits > 0 { blockedCount += 1 }
        return ticket.pointee.waits > 0
    }

    /// Gives a ticket to each member before `end`. All of them are whole blocks.
    private mutating func index(upTo end: RequestPointer?) {
        isIndexed = true
        var member = first
        while let request = member, request != end {
            let ticket = makeTicket(request)
            ticket.pointee.coverage =
                request.pointee.offset..<request.pointee.offset + request.pointee.length
            coverage.insert(ticket.pointee.coverage)
            member = request.pointee.trackedNext
        }
    }

    /// There is no member any more.
    private mutating func stopIndexing() {
        isIndexed = false
        coverage.releaseMemory()
        edges.releaseMemory()
        if latestAtBlock.capacity > 4096 { latestAtBlock = [:] }
    }

    private mutating func addEdge(_ ticket: TicketPointer, _ range: Range<UInt64>) {
        let edge = EdgePointer(allocating: WriteEdge(ticket: ticket, range: range))
        let earlier = latestAtBlock.updateValue(edge, forKey: range.lowerBound)
        edge.pointee.previous = earlier
        if let earlier {
            earlier.pointee.next = edge
            ticket.pointee.waits += 1
        }
        ticket.pointee.edges.append(edge)
    }

    @inline(never)
    private mutating func removeFromIndex(
        _ request: RequestPointer, _ released: inout RequestFIFO
    ) {
        let ticket = ticket(of: request)
        if ticket.pointee.waits > 0 { blockedCount -= 1 }
        if fence == request { fence = request.pointee.trackedPrevious }
        if !ticket.pointee.coverage.isEmpty { coverage.remove(ticket.pointee.coverage) }
        for edge in ticket.pointee.edges { removeEdge(edge, &released) }
        ticket.stopWaiting()
        if let earlier = request.pointee.trackedPrevious {
            ticket.handWaiters(to: self.ticket(of: earlier))
        } else {
            while let waiter = ticket.firstWaiter {
                waiter.stopWaiting()
                release(waiter, &released)
            }
        }
        request.pointee.ticket = nil
        if unusedTickets.count < Self.keptTickets {
            unusedTickets.append(ticket)
        } else {
            // It waits for nothing, nothing waits for it, and its request does not know it any more.
            unsafe ticket.destroy()
        }
    }

    private mutating func removeEdge(_ edge: EdgePointer, _ released: inout RequestFIFO) {
        let (range, previous, next) = (
            edge.pointee.range, edge.pointee.previous, edge.pointee.next
        )
        edges.remove(range)
        if latestAtBlock[range.lowerBound] == edge { latestAtBlock[range.lowerBound] = previous }
        previous?.pointee.next = next
        next?.pointee.previous = previous
        // The next one waits for the one before this, or for none.
        if let next, previous == nil { release(next.pointee.ticket, &released) }
        // Its ticket is being removed, and its neighbours are linked without it.
        unsafe edge.destroy()
    }

    private mutating func release(_ ticket: TicketPointer, _ released: inout RequestFIFO) {
        ticket.pointee.waits -= 1
        guard ticket.pointee.waits == 0 else { return }
        blockedCount -= 1
        released.append(ticket.pointee.request)
    }

    /// While writes are indexed, each has one.
    private func ticket(of request: RequestPointer) -> TicketPointer {
        guard let ticket = request.pointee.ticket else {
            preconditionFailure("an indexed write has a ticket")
        }
        return ticket
    }

    private mutating func makeTicket(_ request: RequestPointer) -> TicketPointer {
        let empty = WriteTicket(request: request)
        let ticket = unusedTickets.popLast() ?? TicketPointer(allocating: empty)
        ticket.pointee = empty
        ticket.waiters.pointee.next = ticket.waiters
        ticket.waiters.pointee.previous = ticket.waiters
        request.pointee.ticket = ticket
        return ticket
    }
}
