/// One limit of ``RateLimits``: a token bucket, which fills by ``amount`` in each ``interval`` until it holds
/// ``burst``. A token is one operation or one byte.
///
/// A request goes on when the bucket holds its tokens, and takes them. One that takes more than the bucket can hold
/// waits until the bucket is full and leaves a debt, for which those after it wait. After any pause the bucket holds
/// at most the burst. It is full when the limit is set.
public struct RateLimit: Sendable, Hashable {
    /// How many operations or bytes are gained in each ``interval``; 1 or more.
    public var amount: UInt64
    /// The time in which ``amount`` is gained, from a nanosecond to 366 days; a second by default.
    public var interval: Duration
    /// How many operations or bytes the bucket holds at most; 1 or more. By default it is ``amount``. A thread that
    /// is to submit a request when it is due comes some 100 microseconds late: with a burst below the gain of that
    /// time, fewer requests pass than the limit allows.
    public var burst: UInt64

    /// A limit of `amount` for each `interval`.
    public init(_ amount: UInt64, per interval: Duration = .seconds(1), burst: UInt64? = nil) {
        self.amount = amount
        self.interval = interval
        self.burst = burst ?? amount
    }

    static var longestInterval: Duration { .seconds(366 * 24 * 3600) }

    /// What is wrong with the values; `nil` when nothing is.
    var complaint: String? {
        if amount < 1 { return "an amount of 0, which would let nothing pass" }
        if burst < 1 { return "a burst of 0, which would let nothing pass" }
        guard interval >= .nanoseconds(1), interval <= Self.longestInterval else {
            return "an interval of \(interval), which is outside 1 nanosecond to 366 days"
        }
        return nil
    }
}
