/// The token bucket of a ``RateLimit``, as a pure value: the caller brings the time, in nanoseconds of any clock that
/// does not run backwards.
///
/// Tokens are reserved: they are taken at once, also those that the bucket does not hold yet, and the answer is how
/// long to wait until they would have been there. So whoever reserves first goes on first, and a later reservation
/// cannot delay an earlier one. The level below 0 is the debt.
///
/// The unit of all sums is a token divided by the nanoseconds of the interval. In this unit the gain of a nanosecond
/// is an integer, the limit's amount, so that nothing is rounded away. The largest values, 2^64 tokens of an interval
/// below 2^55 ns, stay below 2^119; the debt ends at 2^126.
struct RateBucket {
    /// Units of a token.
    private let token: Int128
    /// Units that are gained in a nanosecond.
    private let gain: Int128
    private let capacity: Int128
    private var level: Int128
    private var moment: UInt64

    private static let largestDebt = Int128(1) << 126

    /// A full bucket. The limit must be valid.
    init(_ limit: RateLimit, now: UInt64) {
        let (seconds, attoseconds) = limit.interval.components
        token = Int128(seconds) * 1_000_000_000 + Int128(attoseconds) / 1_000_000_000
        gain = Int128(limit.amount)
        capacity = Int128(limit.burst) * token
        level = capacity
        moment = now
    }

    /// Takes tokens. Returns how many nanoseconds to wait for them.
    mutating func reserve(_ tokens: UInt64, now: UInt64) -> UInt64 {
        fill(until: now)
        if tokens == 0 { return 0 }
        let taken = Int128(tokens) * token
        let missing = min(taken, capacity) - level
        level = max(level - taken, -Self.largestDebt)
        return wait(forMissing: missing)
    }

    /// How many nanoseconds to wait for tokens that have been reserved, when `since` is what has been reserved from
    /// then on, these tokens included.
    mutating func wait(for tokens: UInt64, reservedSince since: UInt64, now: UInt64) -> UInt64 {
        fill(until: now)
        if tokens == 0 { return 0 }
        let before = level + Int128(since) * token
        return wait(forMissing: min(Int128(tokens) * token, capacity) - before)
    }

    private func wait(forMissing units: Int128) -> UInt64 {
        units > 0 ? UInt64(clamping: nanoseconds(toGain: units)) : 0
    }

    /// Gives tokens back that were reserved.
    mutating func giveBack(_ tokens: UInt64) {
        level = min(level + Int128(tokens) * token, capacity)
    }

    private mutating func fill(until now: UInt64) {
        // Of two queues the later one may have read the clock first.
        guard now > moment else { return }
        let elapsed = Int128(now - moment)
        moment = now
        let isFull = elapsed >= nanoseconds(toGain: capacity - level)
        level = isFull ? capacity : level + elapsed * gain
    }

    /// Rounded up.
    private func nanoseconds(toGain units: Int128) -> Int128 { (units + gain - 1) / gain }
}
