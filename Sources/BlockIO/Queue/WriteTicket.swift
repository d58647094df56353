import BlockHost

typealias TicketPointer = StablePointer<WriteTicket>

/// What an indexed write holds and waits for.
struct WriteTicket {
    /// Its place among those that wait for all writes up to another. The first field, so that both have
    /// one address: see `isLaidOutAsAssumed`.
    var link = Link()
    /// The head of the ring of those that wait for all writes up to this one.
    var waiters = Link()
    let request: RequestPointer
    /// Whole blocks, without the edges. May be empty.
    var coverage: Range<UInt64> = 0..<0
    var edges = EdgeList()
    /// How many things it waits for.
    var waits = 0

    /// A place in a ring.
    struct Link {
        var next: StablePointer<Link>?
        var previous: StablePointer<Link>?
    }

    init(request: RequestPointer) { self.request = request }

    /// What ``TicketPointer`` assumes about the places of the two links.
    static var isLaidOutAsAssumed: Bool {
        MemoryLayout<WriteTicket>.offset(of: \.link) == 0
            && MemoryLayout<WriteTicket>.offset(of: \.waiters) == MemoryLayout<Link>.stride
    }
}

extension TicketPointer {
    typealias LinkPointer = StablePointer<WriteTicket.Link>

    // Pointers to the first two fields of the ticket, and so as good as the pointer to the ticket.
    private var link: LinkPointer {
        unsafe LinkPointer(
            UnsafeMutableRawPointer(base).assumingMemoryBound(to: WriteTicket.Link.self))
    }

    var waiters: LinkPointer { unsafe LinkPointer(link.base + 1) }

    var firstWaiter: TicketPointer? {
        guard let next = waiters.pointee.next, next != waiters else { return nil }
        // All others in a ring of waiters are the links of tickets.
        return unsafe TicketPointer(
            UnsafeMutableRawPointer(next.base).assumingMemoryBound(to: WriteTicket.self))
    }

    func waitBehind(_ other: TicketPointer) {
        guard let last = other.waiters.pointee.previous else {
            preconditionFailure("the ring of a ticket is closed from the beginning")
        }
        link.pointee.previous = last
        link.pointee.next = other.waiters
        last.pointee.next = link
        other.waiters.pointee.previous = link
    }

    /// Does nothing unless it waits behind another.
    func stopWaiting() {
        guard let next = link.pointee.next, let previous = link.pointee.previous else { return }
        next.pointee.previous = previous
        previous.pointee.next = next
        link.pointee.next = nil
        link.pointee.previous = nil
    }

    func handWaiters(to other: TicketPointer) {
        let (head, target) = (waiters, other.waiters)
        guard let first = head.pointee.next, let last = head.pointee.previous, first != head,
            let end = target.pointee.previous
        else { return }
        end.pointee.next = first
        first.pointee.previous = end
        last.pointee.next = target
        target.pointee.previous = last
        head.pointee.next = head
        head.pointee.previous = head
    }
}
