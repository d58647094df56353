import Glibc

/// How long to wait.
@usableFromInline package enum WaitLimit: Sendable {
    case forever
    /// Not negative; 0 does not wait.
    case nanoseconds(Int64)

    /// Whether there is no time left.
    @inlinable package var hasPassed: Bool {
        if case .nanoseconds(0) = self { true } else { false }
    }

    /// Whether this many nanoseconds are left.
    @inlinable package func isAtLeast(_ nanoseconds: UInt64) -> Bool {
        if case .nanoseconds(let value) = self { value >= nanoseconds } else { true }
    }

    /// `nil` is for ever; a negative duration does not wait.
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
        // 292 years are as good as forever.
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

    /// As the C functions take it: negative without a limit.
    @inlinable package var rawNanoseconds: Int64 {
        switch self {
        case .forever: -1
        case .nanoseconds(let value): value
        }
    }

    /// The moment on CLOCK_MONOTONIC when the limit passes; `nil` for ever.
    package func deadline() -> timespec? {
        guard case .nanoseconds(let nanoseconds) = self else { return nil }
        var moment = timespec()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        let (seconds, rest) = (Int64(moment.tv_nsec) + nanoseconds % 1_000_000_000)
            .quotientAndRemainder(dividingBy: 1_000_000_000)
        moment.tv_sec += Int(nanoseconds / 1_000_000_000 + seconds)
        moment.tv_nsec = Int(rest)
        return moment
    }

    /// What is left until `deadline`, 0 when it has passed.
    package init(until deadline: timespec) {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let left =
            Int64(deadline.tv_sec - now.tv_sec) * 1_000_000_000
            + Int64(deadline.tv_nsec - now.tv_nsec)
        self = .nanoseconds(max(0, left))
    }
}
