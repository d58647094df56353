import BlockHost
import Synchronization

/// Wakes the thread of a queue for something that is neither a kick nor a completion.
final class QueueWake: Sendable {
    private let event: Event
    private let raised = Atomic(false)

    init() throws(SystemCallError) { event = try Event() }

    deinit { event.close() }

    /// Readable while the thread is to be woken.
    var descriptor: CInt { event.descriptor }

    /// Whether the thread is to be woken; for a thread that does not sleep.
    var isRaised: Bool { raised.load(ordering: .acquiring) }

    /// Wakes the thread, from any thread.
    func raise() {
        // In this order: an event without the mark is looked at again, a mark without the event costs
        // one service in vain.
        event.signal()
        raised.store(true, ordering: .releasing)
    }

    /// Takes back what ``raise()`` has done, before the thread looks for what is new. Returns whether there
    /// was anything.
    func clear() -> Bool {
        guard raised.exchange(false, ordering: .acquiringAndReleasing) else { return false }
        event.clear()
        return true
    }
}
