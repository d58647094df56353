/// Two edges at most.
struct EdgeList: Sequence, IteratorProtocol {
    private var first: EdgePointer?
    private var second: EdgePointer?

    mutating func append(_ edge: EdgePointer) {
        if first == nil { first = edge } else { second = edge }
    }

    mutating func next() -> EdgePointer? {
        defer { (first, second) = (second, nil) }
        return first
    }
}
