/// Waiters in order. Adding at the end and removing anywhere take constant time, and allocate
/// nothing.
@safe struct WaiterList {
    private(set) var count = 0
    private var head: Unmanaged<BounceWaiter>?
    private var tail: Unmanaged<BounceWaiter>?

    var isEmpty: Bool { count == 0 }

    var first: BounceWaiter? { unsafe head?.takeUnretainedValue() }

    mutating func append(_ waiter: BounceWaiter) {
        let entry = unsafe Unmanaged.passUnretained(waiter)
        unsafe waiter.next = nil
        unsafe waiter.previous = unsafe tail
        if let tail = unsafe tail {
            unsafe tail._withUnsafeGuaranteedRef { unsafe $0.next = unsafe entry }
        } else {
            unsafe head = unsafe entry
        }
        unsafe tail = unsafe entry
        count += 1
    }

    /// Removes a waiter that is in this list.
    mutating func remove(_ waiter: BounceWaiter) {
        if let previous = unsafe waiter.previous {
            unsafe previous._withUnsafeGuaranteedRef { unsafe $0.next = unsafe waiter.next }
        } else {
            unsafe head = unsafe waiter.next
        }
        if let next = unsafe waiter.next {
            unsafe next._withUnsafeGuaranteedRef { unsafe $0.previous = unsafe waiter.previous }
        } else {
            unsafe tail = unsafe waiter.previous
        }
        unsafe waiter.next = nil
        unsafe waiter.previous = nil
        count -= 1
    }
}
