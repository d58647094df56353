import CBlockHost
import Glibc

/// A timer of timerfd_create(2): a descriptor that becomes readable after a set time. It is
/// close-on-exec and non-blocking.
///
/// The value is a name for the descriptor and can be copied freely. Whoever made the timer closes
/// it, once, when nobody uses it any more.
package struct TimerDescriptor: Sendable {
    /// For poll(2) and epoll(7).
    package let descriptor: CInt

    /// A new timer that is not set.
    package init() throws(SystemCallError) {
        descriptor = try SystemCallError.check(cblockhost_timer(), "timerfd_create(2)")
    }

    /// Makes the descriptor readable after `nanoseconds`, above 0, and not before.
    package func set(nanoseconds: Int64) { cblockhost_timer_set(descriptor, nanoseconds) }

    /// Stops the timer, and makes the descriptor not readable.
    package func stop() { cblockhost_timer_set(descriptor, 0) }

    package func close() { _ = Glibc.close(descriptor) }
}
