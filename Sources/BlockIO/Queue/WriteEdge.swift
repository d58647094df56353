import BlockHost

typealias EdgePointer = StablePointer<WriteEdge>

/// A block that a write reads, modifies and writes, in the queue of those that want the same block.
struct WriteEdge {
    let ticket: TicketPointer
    let range: Range<UInt64>
    var previous: EdgePointer?
    var next: EdgePointer?
}
