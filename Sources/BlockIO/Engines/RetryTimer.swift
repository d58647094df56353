import CBlockIO
import Glibc

/// Brings the owner of a queue back when the system has no resources for what it submitted: nothing that
/// is in flight need ever end and wake it.
///
/// A timerfd(2) in the engine's epoll set for those who sleep there; those who wait in the engine ask for
/// `pause`. Each try that fails doubles the time to the next, up to a limit.
struct RetryTimer: ~Copyable {
    /// The engine's epoll set; -1 for none.
    private let set: CInt
    private var timer: CInt = -1
    private(set) var isArmed = false
    private var tries = 0

    private static let shortest: Int64 = 500_000
    private static let doublings = 5

    init(set: CInt) { self.set = set }

    deinit { if timer >= 0 { close(timer) } }

    /// How long to wait before the next try, in nanoseconds.
    var pause: Int64 { Self.shortest << Int64(min(tries, Self.doublings)) }

    /// After a try that failed. The engine's `wake` stands in where the system has no timer either.
    mutating func arm(orWake wake: CInt) {
        if isArmed { return }
        isArmed = true
        let span = pause
        tries += 1
        set(span, orWake: wake)
    }

    /// For something else that has to be done after so many nanoseconds, unless a try comes before.
    mutating func arm(after nanoseconds: Int64, orWake wake: CInt) {
        if isArmed { return }
        isArmed = true
        set(nanoseconds, orWake: wake)
    }

    private mutating func set(_ nanoseconds: Int64, orWake wake: CInt) {
        guard set >= 0 else { return }
        if timer < 0 {
            timer = cbio_timer()
            if timer >= 0, cbio_poll_group_add(set, timer) < 0 {
                close(timer)
                timer = -1
            }
        }
        if timer >= 0 { cbio_timer_set(timer, nanoseconds) } else { cbio_eventfd_signal(wake) }
    }

    /// The owner is here and tries again.
    @inline(__always)
    mutating func disarm() {
        if isArmed { stop() }
    }

    private mutating func stop() {
        isArmed = false
        if timer >= 0 { cbio_timer_set(timer, 0) }
    }

    /// A try has succeeded.
    @inline(__always)
    mutating func succeeded() { tries = 0 }
}
