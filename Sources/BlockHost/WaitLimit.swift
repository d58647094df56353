package import Glibc

// @usableFromInline: inlinable code of other targets makes limits and asks them.
/// How long a wait may last.
@usableFromInline package enum WaitLimit: Sendable {
    case forever
    /// At most this many nanoseconds: not negative; 0 does not wait.
    case nanoseconds(Int64)

    /// Whether the limit is 0, so that there is nothing to wait for.
    @inlinable package var hasPassed: Bool {
        if case .nanoseconds(0) = self { true } else { false }
    }

    /// Whether the limit is `nanoseconds` or more.
    @inlinable package func isAtLeast(_ nanoseconds: UInt64) -> Bool {
        if case .nanoseconds(let value) = self { value >= nanoseconds } else { true }
    }

    /// `nil` is no limit; a negative duration does not wait.
    @inlinable package init(_ duration: Duration?) {
        guard let duration else {
            self = .forever
            return
        }
        guard duration > .zero else {
            self = .nanoseconds(0)
            return
        }
        let (seconds, attoseconds) = duration.components
        // Half of what Int64 holds is 146 years: no limit at all.
        guard seconds < Int64.max / 2_000_000_000 else {
            self = .forever
            return
        }
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    /// The shorter of the two.
    @inlinable package func atMost(_ nanoseconds: Int64) -> WaitLimit {
        if case .nanoseconds(let value) = self, value < nanoseconds { return self }
        return .nanoseconds(nanoseconds)
    }

    /// The limit as the C functions expect it: -1 stands for no limit.
    @inlinable package var rawNanoseconds: Int64 {
        switch self {
        case .forever: -1
        case .nanoseconds(let value): value
        }
    }

    /// The time of CLOCK_MONOTONIC at which the limit passes; `nil` without a limit.
    package func deadline() -> timespec? {
        guard case .nanoseconds(let nanoseconds) = self else { return nil }
        var moment = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &moment)
        let (seconds, rest) = (Int64(moment.tv_nsec) + nanoseconds % 1_000_000_000)
            .quotientAndRemainder(dividingBy: 1_000_000_000)
        moment.tv_sec += Int(nanoseconds / 1_000_000_000 + seconds)
        moment.tv_nsec = Int(rest)
        return moment
    }

    /// The time that is left until `deadline`; 0 when it has passed.
    package init(until deadline: timespec) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        let left =
            Int64(deadline.tv_sec - now.tv_sec) * 1_000_000_000
            + Int64(deadline.tv_nsec - now.tv_nsec)
        self = .nanoseconds(max(0, left))
    }
}
