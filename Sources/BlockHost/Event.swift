public import CBlockHost
import Glibc

// @usableFromInline: inlinable code of other targets signals and clears events.
/// An eventfd(2): a descriptor that any thread makes readable, close-on-exec and non-blocking.
///
/// The value is a name for the descriptor and can be copied freely. Whoever made the event closes
/// it, once, when nobody uses it any more.
@usableFromInline package struct Event: Sendable {
    /// For poll(2), epoll(7) and rings.
    @usableFromInline package let descriptor: CInt

    /// A new event that is not readable.
    package init() throws(SystemCallError) {
        descriptor = try SystemCallError.check(cblockhost_eventfd(), "eventfd(2)")
    }

    /// Makes the descriptor readable, from any thread.
    @inlinable package func signal() { cblockhost_eventfd_add(descriptor, 1) }

    /// Makes the descriptor readable, from any thread, in a way that ``take()`` tells from the signals of the
    /// kernel and of ``signal()``.
    @inlinable package func wake() { cblockhost_eventfd_add(descriptor, Self.weightOfWake) }

    /// More than the signals that there can be between two calls of ``take()``.
    @usableFromInline static var weightOfWake: UInt64 { 1 << 32 }

    /// Makes the descriptor quiet. Returns whether it was readable.
    @discardableResult
    @inlinable package func clear() -> Bool { cblockhost_eventfd_take(descriptor) != 0 }

    /// Makes the descriptor quiet. Returns whether there has been a ``wake()``.
    package func take() -> Bool { cblockhost_eventfd_take(descriptor) >= Self.weightOfWake }

    /// How a wait came to its end.
    package enum WaitEnd: Equatable, Sendable {
        /// The descriptor is readable, and stays so until ``Event/clear()``.
        case readable
        /// The limit has passed.
        case timedOut
        /// A signal handler ran (EINTR).
        case interrupted
    }

    /// Waits until the descriptor is readable, the limit has passed, or a signal came.
    package func wait(_ limit: WaitLimit) -> WaitEnd {
        let answer = cblockhost_wait_readable(descriptor, limit.rawNanoseconds)
        if answer == -EINTR { return .interrupted }
        return answer > 0 ? .readable : .timedOut
    }

    package func close() { _ = Glibc.close(descriptor) }
}
