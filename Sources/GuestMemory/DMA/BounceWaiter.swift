import BlockHost

// @safe: the pool alone gives and takes a grant, and whoever follows the pointer says so.
/// The entry of a transfer in the lists of those that wait: first in the pool's line for bounce
/// buffers, then in its mapper's list of transfers that can continue. A transfer that waits for
/// another process is only in the latter.
///
/// `@unchecked`: the mutex of the pool guards every variable, and the transfer is alive while it
/// waits.
@safe final class BounceWaiter: @unchecked Sendable {
    /// The list that it is in.
    enum Place { case nowhere, line, ready }

    /// The list of its mapper's transfers that can continue.
    let ready: ReadyList
    /// The transfer that waits. It sets this before it can wait, and is alive while it does.
    var transfer: UnretainedReference<DMATransfer>?
    var place = Place.nowhere
    /// How many bytes it waits for.
    var count = 0
    /// The bounce buffer that the pool has given to it.
    var grant: UnsafeMutableRawPointer?
    /// Links of the ``WaiterList`` that it is in.
    var next: UnretainedReference<BounceWaiter>?
    var previous: UnretainedReference<BounceWaiter>?

    init(ready: ReadyList) { self.ready = ready }
}
