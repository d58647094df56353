import BlockHost
import Glibc

/// A hostile owner of an eventfd: a thread that adds to it whenever there is room, and may wait in write(2).
final class EventFiller: Sendable {
    private let event: CInt
    private let mustEnd = Locked(false)
    private let hasEnded = Locked(false)

    /// Adds `count` each time. The descriptor stays the caller's, who calls ``end()`` before it closes it.
    init(_ event: CInt, adding count: UInt64) throws {
        self.event = event
        let (mustEnd, hasEnded) = (mustEnd, hasEnded)
        try HostThread.start(named: "event-filler", stackSize: HostThread.smallStack) {
            var count = count
            while !mustEnd.withLock({ $0 }) {
                var room = pollfd(fd: event, events: Int16(POLLOUT), revents: 0)
                if poll(&room, 1, 0) == 1 { _ = write(event, &count, 8) }
            }
            hasEnded.withLock { $0 = true }
        }
    }

    /// Ends the thread, and waits for that.
    func end() throws {
        mustEnd.withLock { $0 = true }
        try eventually("the filler has ended") {
            // It may wait for room.
            _ = SharedEvent.take(event)
            return hasEnded.withLock { $0 }
        }
    }
}
