import BlockIO

/// How long to wait for what should happen at once: long enough for the slowest machine.
enum Patience {
    /// For one event.
    static let limit = Duration.seconds(60)
    /// The same for epoll_wait(2).
    static let milliseconds: CInt = 60_000
    /// How long a call is held that a test lets go itself: a wait for what happens meanwhile gives up first.
    static let holdMilliseconds: Int64 = 120_000
}

/// Nothing more came although requests were outstanding. Ends a test: to wait again and again would
/// take hours.
struct Stuck: Error {
    let outstanding: Int
}

extension BlockQueue {
    /// Delivers until nothing is outstanding; throws when nothing comes.
    func finish(_ body: (BlockCompletion) -> Void = { _ in }) throws {
        while outstanding > 0 { try pollForOne(body) }
    }

    /// Delivers at least one completion; throws when none comes.
    ///
    /// A wait that ends early does no harm: the kernel reports interruptions that no signal caused,
    /// as when a ring of the same thread has just been closed.
    func pollForOne(_ body: (BlockCompletion) -> Void = { _ in }) throws {
        let clock = ContinuousClock()
        let end = clock.now + Patience.limit
        while poll(minimum: 1, timeout: Patience.limit, body) == 0 {
            guard clock.now < end else { throw Stuck(outstanding: outstanding) }
        }
    }
}
