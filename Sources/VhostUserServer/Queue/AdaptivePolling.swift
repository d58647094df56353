/// How long a thread looks for work before it sleeps. Looking is faster than sleeping and waking where
/// work comes soon, and wastes the time of a processor where it does not.
///
/// The time grows while sleeps are short, so that it would have caught them, and shrinks when a sleep
/// was longer than the limit. It is never longer than the limit.
struct AdaptivePolling {
    /// The longest time in nanoseconds; 0 sleeps at once.
    let limit: UInt64
    /// The present time in nanoseconds.
    private(set) var window: UInt64 = 0

    private static let first: UInt64 = 4_000

    init(limit: UInt64) { self.limit = limit }

    /// Takes note that `nanoseconds` have passed without work, polling included.
    mutating func noteIdle(nanoseconds: UInt64) {
        if nanoseconds <= window { return }
        if nanoseconds <= limit {
            window = min(limit, max(Self.first, window * 2))
        } else {
            window = window / 2 < Self.first ? 0 : window / 2
        }
    }
}
