/// The transfers of a mapper that can continue, in the order in which they became able to.
final class ReadyList {
    /// The mutex of the pool guards it.
    var list = WaiterList()
    /// Called when a transfer has become able to continue, on the thread that caused it.
    let wake: (@Sendable () -> Void)?

    init(wake: (@Sendable () -> Void)?) { self.wake = wake }
}
