/// First in, first out, linked through the requests themselves: no allocation.
struct RequestFIFO {
    private(set) var head: RequestPointer?
    private var tail: RequestPointer?
    private(set) var count = 0

    var isEmpty: Bool { head == nil }

    mutating func append(_ request: RequestPointer) {
        request.pointee.next = nil
        if let tail {
            tail.pointee.next = request
        } else {
            head = request
        }
        tail = request
        count &+= 1
    }

    /// Puts one back that was popped.
    mutating func prepend(_ request: RequestPointer) {
        request.pointee.next = head
        head = request
        if tail == nil { tail = request }
        count &+= 1
    }

    mutating func popFirst() -> RequestPointer? {
        guard let first = head else { return nil }
        head = first.pointee.next
        if head == nil { tail = nil }
        count &-= 1
        return first
    }

    /// Takes a request out of the middle; false when it is not here. Walks the whole FIFO.
    mutating func remove(_ request: RequestPointer) -> Bool {
        var kept = RequestFIFO()
        var isFound = false
        while let next = popFirst() {
            if next == request { isFound = true } else { kept.append(next) }
        }
        self = kept
        return isFound
    }

    /// Moves all of `other` behind what is here.
    mutating func append(contentsOf other: inout RequestFIFO) {
        guard let first = other.head else { return }
        if let tail {
            tail.pointee.next = first
        } else {
            head = first
        }
        tail = other.tail
        count &+= other.count
        other = RequestFIFO()
    }
}
