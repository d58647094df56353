public import BlockHost
public import CBlockIO

/// First in, first out, linked through the requests themselves: no allocation. The fast path, which is
/// inlined into callers, appends and pops.
@usableFromInline
package struct RequestFIFO {
    /// As the C side of the engines appends to it.
    @usableFromInline var list = cbio_submissions()

    package init() {}

    /// The first, which is taken next.
    @usableFromInline
    package internal(set) var head: RequestPointer? {
        @inline(__always) @inlinable get { unsafe RequestPointer(list.first) }
        @inline(__always) @inlinable set { unsafe list.first = newValue?.cSubmission }
    }

    /// The last, behind which `append` links.
    @usableFromInline var tail: RequestPointer? {
        get { unsafe RequestPointer(list.last) }
        @inline(__always) @inlinable set { unsafe list.last = newValue?.cSubmission }
    }

    package var count: Int { Int(list.count) }
    package var isEmpty: Bool { head == nil }

    @inline(__always)
    @inlinable
    package mutating func append(_ request: RequestPointer) {
        // It writes to the request and to the one at the end of the list, which are slots.
        unsafe cbio_append(&list, request.cSubmission)
    }

    /// Puts one back that was popped.
    package mutating func prepend(_ request: RequestPointer) {
        let first = head
        request.pointee.next = first
        if let first { first.pointee.previous = request } else { tail = request }
        head = request
        list.count &+= 1
    }

    @inline(__always)
    @inlinable
    package mutating func popFirst() -> RequestPointer? {
        guard let first = head else { return nil }
        head = first.pointee.next
        if head == nil { tail = nil }
        list.count &-= 1
        return first
    }

    /// Forgets the first `number`; `behind` is what comes after them.
    mutating func removeFirst(_ number: Int, upTo behind: RequestPointer?) {
        head = behind
        if behind == nil { tail = nil }
        list.count &-= Int64(number)
    }

    /// Moves the first `number` of `other`, whose last one is `last`, behind what is here.
    mutating func take(_ number: Int, from other: inout RequestFIFO, upTo last: RequestPointer) {
        guard let first = other.head else { return }
        other.removeFirst(number, upTo: last.pointee.next)
        last.pointee.next = nil
        if let end = tail { end.pointee.next = first } else { head = first }
        tail = last
        list.count &+= Int64(number)
    }

    /// Walks the list.
    package func contains(_ request: RequestPointer) -> Bool {
        var next = head
        while let member = next {
            if member == request { return true }
            next = member.pointee.next
        }
        return false
    }

    /// Takes out a request that is in this list. The list must have been made by `append`, `prepend`
    /// and `append(contentsOf:)` alone, which keep both links.
    package mutating func remove(_ request: RequestPointer) {
        let next = request.pointee.next
        if head == request {
            head = next
            if next == nil { tail = nil }
        } else {
            let previous = request.pointee.previous
            previous?.pointee.next = next
            if let next { next.pointee.previous = previous } else { tail = previous }
        }
        list.count &-= 1
    }

    /// Takes the first `number`, of which there are at least so many, out as a list of their own.
    mutating func split(first number: Int) -> RequestFIFO {
        var taken = RequestFIFO()
        guard number > 0, var last = head else { return taken }
        for _ in 1..<max(1, number) {
            guard let next = last.pointee.next else { break }
            last = next
        }
        taken.take(number, from: &self, upTo: last)
        return taken
    }

    /// Moves all of `other` behind what is here.
    package mutating func append(contentsOf other: inout RequestFIFO) {
        guard let first = other.head else { return }
        if let last = tail {
            last.pointee.next = first
            first.pointee.previous = last
        } else {
            head = first
        }
        tail = other.tail
        list.count &+= other.list.count
        other = RequestFIFO()
    }
}

// The list of a queue, `pending`, as an engine takes from it and gives back. A request in that list is
// marked as pending, and is taken out of it when it is cancelled; any other is the engine's to cancel.
extension RequestFIFO {
    /// Takes the first: it is the engine's from now on.
    package mutating func takeFirst() -> RequestPointer? {
        let request = popFirst()
        request?.pointee.cSubmission.is_pending = false
        return request
    }

    /// Puts one back that was taken, to be given to the engine again before the others.
    package mutating func giveBack(_ request: RequestPointer) {
        request.pointee.cSubmission.is_pending = true
        prepend(request)
    }

    /// Says that all in here are in a list of the engine's own, although an engine below may have given
    /// them back.
    package func markTaken() {
        var next = head
        while let request = next {
            request.pointee.cSubmission.is_pending = false
            next = request.pointee.next
        }
    }
}
