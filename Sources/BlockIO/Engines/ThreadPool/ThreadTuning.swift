import BlockHost

/// How many threads serve prompt transfers at the same time: the fewest that are as fast as more.
///
/// A disk that works on many requests at once needs a thread for each of them. Where the processors
/// of this machine do the work of the disk, as for a loop device over a file in memory, more threads
/// are not faster, and each of them has to be woken for each request. The duration of a transfer does
/// not tell the two cases apart. This value therefore compares the rates, in transfers a second, of
/// different numbers of threads.
///
/// | state | event at the end of a period | next state |
/// |---|---|---|
/// | steady | there is a pause after a trial that failed | steady |
/// | steady | requests were left, and the last trial was one of fewer threads | trial of twice as many |
/// | steady | otherwise, and more than ``minimum`` threads were at work | trial of half of them |
/// | trial of fewer | at least 0.97 of the best rate so far | trial of half of them |
/// | trial of more | at least 1.03 of the rate before | steady, with more |
/// | trial | any other rate | steady, with the number before, and a pause twice as long |
///
/// A pure value: the caller says what the time is.
package struct ThreadTuning {
    /// Threads that may serve transfers at the same time; no limit at first.
    package private(set) var limit: Int

    private enum Trial {
        case fewer, more
    }

    private var trial: Trial?
    private var lastTrial = Trial.more
    /// The limit, and transfers a second, before the trial.
    private var former = (limit: Int.max, rate: UInt64(0))
    /// Periods without a trial that are left, and after the last trial that failed.
    private var pause = 0
    private var pauseLength = 0

    // The period.
    private var start: UInt64 = 0
    private var latest: UInt64 = 0
    private var count: UInt64 = 0
    private var most = 0
    private var areLeft = false

    /// Two threads, so that one goes on while another wakes up.
    static let minimum = 2
    /// Nanoseconds and transfers that a period has at least.
    static let period: UInt64 = 8_000_000
    static let transfers: UInt64 = 128
    /// After this time, in nanoseconds, without a transfer, the caller had nothing to do, and the
    /// period says nothing.
    private static let idleSpan = Int64(2 * RequestPace.promptSpan)
    private static let longestPause = 64

    package init(limit: Int = .max) { self.limit = limit }

    /// Notes a transfer that ended at `now` (CLOCK_MONOTONIC) while `atWork` threads served
    /// transfers. `areLeft`: requests are queued. True when more threads may serve from now on.
    mutating func note(_ now: UInt64, atWork: Int, areLeft: Bool) -> Bool {
        // Threads read the clock without a lock, so it may go back.
        if Int64(bitPattern: now &- latest) > Self.idleSpan { begin(now) }
        latest = now
        count &+= 1
        most = max(most, atWork)
        self.areLeft = self.areLeft || areLeft
        guard count >= Self.transfers, now > start, now &- start >= Self.period else {
            return false
        }
        let before = limit
        endPeriod(rate: count &* 1_000_000_000 / (now &- start))
        begin(now)
        return limit > before
    }

    private mutating func begin(_ now: UInt64) {
        start = now
        latest = now
        count = 0
        most = 0
        areLeft = false
    }

    private mutating func endPeriod(rate: UInt64) {
        switch trial {
        case nil where pause > 0: pause -= 1
        case nil:
            former = (limit, rate)
            beginTrial()
        case .fewer where rate &* 100 >= former.rate &* 97:
            trial = nil
            pauseLength = 0
            // Compared with the same rate as before, so that small losses do not add up.
            former = (limit, max(rate, former.rate))
            tryFewer()
        case .more where rate &* 100 >= former.rate &* 103:
            trial = nil
            pauseLength = 0
        default:
            limit = former.limit
            trial = nil
            pauseLength = min(Self.longestPause, max(4, pauseLength * 2))
            pause = pauseLength
        }
    }

    private mutating func beginTrial() {
        let mayTryMore = areLeft && limit < .max
        if mayTryMore && (lastTrial == .fewer || used <= Self.minimum) {
            trial = .more
            lastTrial = .more
            limit *= 2
        } else {
            tryFewer()
        }
    }

    private mutating func tryFewer() {
        if used <= Self.minimum { return }
        trial = .fewer
        lastTrial = .fewer
        limit = max(Self.minimum, used / 2)
    }

    /// Threads that were at work in the period, without those that were to stop in it.
    private var used: Int { min(most, limit) }
}
