import BlockHost

/// Waiters in order. Adding at the end and removing anywhere take constant time, and allocate
/// nothing.
struct WaiterList {
    private(set) var count = 0
    private var head: UnretainedReference<BounceWaiter>?
    private var tail: UnretainedReference<BounceWaiter>?

    var isEmpty: Bool { count == 0 }

    var first: BounceWaiter? { head?.object }

    mutating func append(_ waiter: BounceWaiter) {
        let entry = unsafe UnretainedReference(waiter)
        waiter.next = nil
        waiter.previous = tail
        if let tail {
            tail.with { $0.next = entry }
        } else {
            head = entry
        }
        tail = entry
        count += 1
    }

    /// Removes a waiter that is in this list.
    mutating func remove(_ waiter: BounceWaiter) {
        if let previous = waiter.previous {
            previous.with { $0.next = waiter.next }
        } else {
            head = waiter.next
        }
        if let next = waiter.next {
            next.with { $0.previous = waiter.previous }
        } else {
            tail = waiter.previous
        }
        waiter.next = nil
        waiter.previous = nil
        count -= 1
    }
}
