import BlockHost
import Synchronization

/// Where other threads leave messages for the owner of a queue, which is woken. Safe to share, although
/// unchecked: all of it is atomic or under the lock.
final class Mailbox: @unchecked Sendable {
    enum Message {
        case cancel(RequestID)
        case close
    }

    private let lock = PthreadMutex()
    /// Under the lock.
    private let messages: StablePointer<[Message]>
    private let wake: StablePointer<WakeEvent?>
    /// Spares the owner the lock when there is nothing.
    private let isFilled = Atomic<Bool>(false)
    /// Somebody may post: the queue's ``BlockQueue/remote`` was asked for.
    private let isOpen = Atomic<Bool>(false)

    var isInUse: Bool { isOpen.load(ordering: .relaxed) }

    /// For the queue's own thread.
    var hasMail: Bool { isFilled.load(ordering: .acquiring) }

    func open() { isOpen.store(true, ordering: .relaxed) }

    init() {
        messages = StablePointer(allocating: [])
        wake = StablePointer(allocating: nil)
    }

    deinit {
        unsafe messages.destroy()
        unsafe wake.destroy()
    }

    /// From then on a message wakes the engine through `event`.
    func attach(_ event: WakeEvent) {
        lock.lock()
        wake.pointee = event
        lock.unlock()
    }

    /// The engine is going: nothing may touch its wake event any more.
    func detach() {
        lock.lock()
        wake.pointee = nil
        lock.unlock()
    }

    /// From any thread.
    func post(_ message: Message) {
        lock.lock()
        messages.pointee.append(message)
        // The owner has been woken for the messages that it has not taken.
        if messages.pointee.count == 1 {
            isFilled.store(true, ordering: .releasing)
            wake.pointee?.signal()
        }
        lock.unlock()
    }

    /// Ends the owner's wait, without a message.
    func wakeOwner() {
        lock.lock()
        wake.pointee?.signal()
        lock.unlock()
    }

    /// All messages, oldest first; for the queue's own thread.
    func takeAll() -> [Message] {
        guard hasMail else { return [] }
        lock.lock()
        defer { lock.unlock() }
        isFilled.store(false, ordering: .relaxed)
        let taken = messages.pointee
        messages.pointee = []
        return taken
    }
}
