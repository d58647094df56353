/// What a transfer waits by: first in the pool's line for bounce buffers, then among the transfers of
/// its mapper that can go on. A transfer that waits for another process is only among the latter.
///
/// All of it but the constants belongs to the pool's mutex, so it is safe to share. A transfer that waits
/// is alive.
final class BounceWaiter: @unchecked Sendable {
    /// Which list links to it.
    enum Place { case nowhere, line, ready }

    /// The transfers of its mapper that can go on.
    let ready: ReadyList
    /// Whose waiter it is.
    let transfer: Unmanaged<DMATransfer>
    var place = Place.nowhere
    /// How many bytes it waits for.
    var count = 0
    /// What it has been given.
    var grant: UnsafeMutableRawPointer?
    fileprivate var next: Unmanaged<BounceWaiter>?
    fileprivate var previous: Unmanaged<BounceWaiter>?

    init(ready: ReadyList, transfer: Unmanaged<DMATransfer>) {
        self.ready = ready
        self.transfer = transfer
    }
}

/// The transfers of a mapper that can go on, in the order in which they became able to.
final class ReadyList {
    /// Under the mutex of the pool.
    var list = WaiterList()
    /// Called when a transfer has become able to go on, on the thread that made it so.
    let wake: (@Sendable () -> Void)?

    init(wake: (@Sendable () -> Void)?) { self.wake = wake }
}

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
