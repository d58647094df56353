/// Waiters in order. Adding at the end and removing anywhere take constant time, and allocate nothing.
struct WaiterList {
    private(set) var count = 0
    private var head: Unmanaged<BounceWaiter>?
    private var tail: Unmanaged<BounceWaiter>?

    var isEmpty: Bool { count == 0 }

    var first: BounceWaiter? { head?.takeUnretainedValue() }

    mutating func append(_ waiter: BounceWaiter) {
        let entry = Unmanaged.passUnretained(waiter)
        waiter.next = nil
        waiter.previous = tail
        if let tail {
            tail._withUnsafeGuaranteedRef { $0.next = entry }
        } else {
            head = entry
        }
        tail = entry
        count += 1
    }

    /// Removes a waiter that is in this list.
    mutating func remove(_ waiter: BounceWaiter) {
        if let previous = waiter.previous {
            previous._withUnsafeGuaranteedRef { $0.next = waiter.next }
        } else {
            head = waiter.next
        }
        if let next = waiter.next {
            next._withUnsafeGuaranteedRef { $0.previous = waiter.previous }
        } else {
            tail = waiter.previous
        }
        waiter.next = nil
        waiter.previous = nil
        count -= 1
    }
}
