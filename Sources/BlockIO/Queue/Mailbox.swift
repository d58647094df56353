import BlockHost
import Synchronization

/// Where other threads leave messages for the owner of a queue, which is woken. Safe to share, although
/// unchecked: all of it is atomic or under the lock.
final class Mailbox: @unchecked Sendable {
    enum Message {
        case cancel(RequestID)
        case close
    }

    /// What the image or its other queues have to say. One that is there already is not added again, so that
    /// none costs memory.
    struct Notices: OptionSet {
        let rawValue: UInt8
        /// Writes of the queue need not wait any longer for those of others.
        static let released = Notices(rawValue: 1 << 0)
        /// Another queue waits with a resize until no request of this one changes the image.
        static let resizeBegins = Notices(rawValue: 1 << 1)
        /// That resize is over.
        static let resizeIsOver = Notices(rawValue: 1 << 2)
        /// A resize of the queue's own may have its turn.
        static let turn = Notices(rawValue: 1 << 3)
        /// The rate limits of the image have changed.
        static let rateLimits = Notices(rawValue: 1 << 4)
        /// A throttled request of the queue is due.
        static let throttledDue = Notices(rawValue: 1 << 5)
    }

    /// What the owner finds.
    struct Mail {
        var messages: [Message] = []
        var notices: Notices = []
        /// The owner has been woken for it.
        var isTold = false
    }

    private let lock = PthreadMutex()
    /// Under the lock.
    private let mail: StablePointer<Mail>
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
        mail = StablePointer(allocating: Mail())
        wake = StablePointer(allocating: nil)
    }

    deinit {
        unsafe mail.destroy()
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
        mail.pointee.messages.append(message)
        tell()
        lock.unlock()
    }

    /// From any thread. Without a wake the owner finds the notice when it next looks at the queue.
    func post(_ notice: Notices, wakesOwner: Bool) {
        lock.lock()
        mail.pointee.notices.insert(notice)
        if wakesOwner { tell() } else { isFilled.store(true, ordering: .releasing) }
        lock.unlock()
    }

    /// Under the lock: wakes the owner, once for all mail that it has not taken.
    private func tell() {
        isFilled.store(true, ordering: .releasing)
        if mail.pointee.isTold { return }
        mail.pointee.isTold = true
        wake.pointee?.signal()
    }

    /// Ends the owner's wait, without a message.
    func wakeOwner() {
        lock.lock()
        wake.pointee?.signal()
        lock.unlock()
    }

    /// All that is there, messages oldest first; for the queue's own thread.
    func takeAll() -> Mail {
        guard hasMail else { return Mail() }
        lock.lock()
        defer { lock.unlock() }
        isFilled.store(false, ordering: .relaxed)
        let taken = mail.pointee
        mail.pointee = Mail()
        return taken
    }
}
