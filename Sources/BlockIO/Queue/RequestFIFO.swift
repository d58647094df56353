import CBlockIO

/// First in, first out, linked through the requests themselves: no allocation.
@usableFromInline
struct RequestFIFO {
    /// As the C side of the engines appends to it.
    @usableFromInline var list = cbio_operations()

    var head: RequestPointer? { RequestPointer(list.first) }
    var count: Int { Int(list.count) }
    var isEmpty: Bool { list.first == nil }

    @inline(__always)
    @inlinable
    mutating func append(_ request: RequestPointer) { cbio_append(&list, request.operation) }

    /// Puts one back that was popped.
    mutating func prepend(_ request: RequestPointer) {
        request.operation.pointee.next = list.first
        list.first = request.operation
        if list.last == nil { list.last = request.operation }
        list.count &+= 1
    }

    @inline(__always)
    @inlinable
    mutating func popFirst() -> RequestPointer? {
        guard let first = list.first else { return nil }
        list.first = first.pointee.next
        if list.first == nil { list.last = nil }
        list.count &-= 1
        return RequestPointer(first)
    }

    /// Forgets the first `number`; `behind` is what comes after them.
    mutating func removeFirst(
        _ number: Int, upTo behind: UnsafeMutablePointer<cbio_operation>?
    ) {
        list.first = behind
        if behind == nil { list.last = nil }
        list.count &-= Int64(number)
    }

    /// Moves the first `number` of `other`, whose last one is `last`, behind what is here.
    mutating func take(_ number: Int, from other: inout RequestFIFO, upTo last: RequestPointer) {
        guard let first = other.list.first else { return }
        other.removeFirst(number, upTo: last.operation.pointee.next)
        last.operation.pointee.next = nil
        if let end = list.last { end.pointee.next = first } else { list.first = first }
        list.last = last.operation
        list.count &+= Int64(number)
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
        guard let first = other.list.first else { return }
        if let last = list.last { last.pointee.next = first } else { list.first = first }
        list.last = other.list.last
        list.count &+= other.list.count
        other = RequestFIFO()
    }
}
