import BlockHost

/// Decides who serves the requests of a thread pool: its owner or threads, and how many threads.
///
/// A pure value, without a lock, a clock or a system call: ``ThreadPool`` describes the situation, asks, and
/// does what the answer says. docs/block-layer.md has the decisions as a table.
struct ServingPolicy {
    /// Processors of the machine.
    let processors: Int
    /// Largest copy, in bytes, that an owner makes while it submits; `nil` for an image that is not in memory.
    let inlineLimit: UInt64?

    init(processors: Int, inlineLimit: UInt64? = nil) {
        self.processors = max(1, processors)
        self.inlineLimit = inlineLimit
    }

    /// The state of a pool, as far as a decision depends on it.
    struct Situation {
        var pace: RequestPace.Kind
        /// Requests that have not been begun.
        var queued = 1
        /// Length, in bytes, of the first of them; `nil` when it is not a read or a write.
        var firstTransfer: UInt64?
        /// Threads that serve transfers, or are on their way to the queue.
        var atWork = 0
        /// Those that are on their way: each takes a request.
        var coming = 0
        /// Threads that may serve prompt transfers at the same time (``ThreadTuning``).
        var promptLimit = Int.max
    }

    /// An owner that waits for completions.
    struct Wait {
        /// Answers that the owner still waits for.
        var missing = 1
        /// Requests without an answer. The owner waits for all of them when it is not above `missing`.
        var unanswered = 1
        var limit = WaitLimit.forever
        /// Another thread has interrupted a wait before.
        var isInterruptible = false
    }

    /// What the owner does while threads serve.
    enum Owner: CaseIterable {
        /// It does something else, for as long as it likes.
        case elsewhere
        /// It serves requests too.
        case serves
        /// It has served some, and delivers what has been answered.
        case delivers
    }

    /// Requests and bytes that a waiting owner copies before it looks for answers of threads. More would keep
    /// completions from the caller, fewer would cost a visit to the lock each.
    static let shareLimit = 8
    static let shareBytes: UInt64 = 1 << 16
    /// Requests that an owner copies before it delivers what it has waited for, when no thread helps.
    static let aloneLimit = 16
    /// How long, in nanoseconds, an answer may wait for others before the owner is told of it, while
    /// requests are queued.
    static let tellDelay: UInt64 = 50_000
    /// Work, in nanoseconds, that is worth the call of a sleeping thread.
    private static let calledSpan: UInt64 = 10_000

    /// How many requests, from the first on, an owner that waits serves itself now; 0 when it leaves them to
    /// threads. All of them must be transfers, of ``shareBytes`` together at most unless it is one.
    func ownerShare(_ situation: Situation, _ wait: Wait) -> Int {
        guard let bytes = situation.firstTransfer, !wait.limit.hasPassed else { return 0 }
        let isWaitForAll = wait.missing >= wait.unanswered
        switch situation.pace {
        case .copy:
            let most = bytes << 3 <= Self.shareBytes ? Self.shareLimit : Self.share(of: bytes)
            return situation.atWork == 0 ? most : min(most, max(1, situation.queued >> 1))
        case .quick: return isWaitForAll ? 1 : 0
        case .prompt:
            let mayLast = !wait.isInterruptible && wait.limit.isAtLeast(RequestPace.promptSpan)
            return isWaitForAll && mayLast ? 1 : 0
        case .slow: return 0
        }
    }

    /// Whether an owner that has what it waited for, and has served `done` requests, serves more of them before it
    /// delivers: when no thread is there that would.
    func ownerContinues(after done: Int, atWork: Int) -> Bool {
        atWork == 0 && done < Self.aloneLimit
    }

    /// Whether an owner serves the first request while it submits.
    func ownerServesAtSubmission(_ pace: RequestPace.Kind, firstTransfer: UInt64?) -> Bool {
        guard pace == .copy, let inlineLimit, let firstTransfer else { return false }
        return firstTransfer <= inlineLimit
    }

    /// How many more threads are needed, and whether that leaves requests to threads which serve others first.
    func threadsToCall(_ situation: Situation, _ owner: Owner) -> (count: Int, areShared: Bool) {
        let own = owner == .serves ? 1 : 0
        let needed = situation.queued - situation.coming - own
        switch situation.pace {
        case .slow: return (max(0, needed), false)
        case .prompt:
            let count = max(0, min(needed, situation.promptLimit - situation.atWork))
            return (count, count < needed)
        case .copy, .quick: break
        }
        var count = min(needed, processors - situation.atWork - own)
        switch owner {
        case .elsewhere: break
        case .serves: count = min(count, worthwhileThreads(situation))
        case .delivers: if situation.atWork > 0 { count = 0 }
        }
        return (max(0, count), owner != .serves && count < needed)
    }

    /// Threads that find enough to do if the owner does its share meanwhile.
    private func worthwhileThreads(_ situation: Situation) -> Int {
        let span = 600 + (situation.firstTransfer ?? 0) / 8
        return Int(UInt64(situation.queued) * span / Self.calledSpan)
    }

    /// Whether a thread that has served a request goes to sleep although others are queued, because
    /// enough threads are at work without it.
    func isThreadSpare(_ pace: RequestPace.Kind, atWork: Int, promptLimit: Int) -> Bool {
        pace == .prompt && atWork > promptLimit
    }

    /// Answers for which an owner that waits for `wanted` sleeps during the first ``tellDelay``: half of
    /// the queue, so that the other half keeps the threads busy while the owner makes new requests.
    func answersWorthAWake(_ situation: Situation, wanted: Int) -> Int {
        guard mayWaitForMany(situation.pace) else { return wanted }
        return max(wanted, (situation.queued - situation.coming) / 2)
    }

    /// Whether the situation matters to ``answersWorthAWake(_:wanted:)``.
    func mayWaitForMany(_ pace: RequestPace.Kind) -> Bool { pace == .quick || pace == .prompt }

    /// Whether a thread that has just served a request in `span` nanoseconds serves the next one before
    /// it tells an owner that is elsewhere. Copies only: another transfer may take long.
    func tellsLater(_ situation: Situation, answered: Int, after span: UInt64) -> Bool {
        situation.pace == .copy && answered < situation.queued && span < Self.tellDelay
            && UInt64(answered) &* span < Self.tellDelay
    }

    /// Whether a thread, or the owner, that has nothing to do looks for news a few times before it sleeps. News
    /// of copies comes sooner than a sleep takes, if another processor works on them.
    func looksBeforeSleep(_ pace: RequestPace.Kind) -> Bool { processors > 1 && pace == .copy }

    private static func share(of bytes: UInt64) -> Int { max(1, Int(shareBytes / max(1, bytes))) }
}
