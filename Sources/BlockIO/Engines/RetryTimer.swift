import BlockHost

/// Brings the owner of a queue back when the system has no resources for what it submitted: nothing that
/// is in flight need ever end and wake it.
///
/// A timerfd(2) in the engine's epoll set for those who sleep there; those who wait in the engine ask for
/// `pause`. Each try that fails doubles the time to the next, up to a limit.
struct RetryTimer: ~Copyable {
    /// The engine's epoll set; `nil` for none.
    private let set: EpollSet?
    private var timer: TimerDescriptor?
    private(set) var isArmed = false
    private var tries = 0

    private static let shortest: Int64 = 500_000
    private static let doublings = 5

    init(set: EpollSet?) { self.set = set }

    deinit { timer?.close() }

    /// How long to wait before the next try, in nanoseconds.
    var pause: Int64 { Self.shortest << Int64(min(tries, Self.doublings)) }

    /// After a try that failed. The engine's `wake` stands in where the system has no timer either.
    mutating func arm(orWake wake: Event) {
        if isArmed { return }
        isArmed = true
        let span = pause
        tries += 1
        set(span, orWake: wake)
    }

    /// For something else that has to be done after so many nanoseconds, unless a try comes before.
    mutating func arm(after nanoseconds: Int64, orWake wake: Event) {
        if isArmed { return }
        isArmed = true
        set(nanoseconds, orWake: wake)
    }

    private mutating func set(_ nanoseconds: Int64, orWake wake: Event) {
        guard let set else { return }
        if timer == nil { timer = Self.timer(in: set) }
        if let timer { timer.set(nanoseconds: nanoseconds) } else { wake.signal() }
    }

    private static func timer(in set: EpollSet) -> TimerDescriptor? {
        guard let timer = try? TimerDescriptor() else { return nil }
        do throws(SystemCallError) {
            try set.add(timer.descriptor)
            return timer
        } catch {
            timer.close()
            return nil
        }
    }

    /// The owner is here and tries again.
    @inline(__always)
    mutating func disarm() {
        if isArmed { stop() }
    }

    private mutating func stop() {
        isArmed = false
        timer?.stop()
    }

    /// A try has succeeded.
    @inline(__always)
    mutating func succeeded() { tries = 0 }
}
