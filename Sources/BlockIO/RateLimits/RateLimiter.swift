import BlockHost

/// The rate limits of an image, with the buckets that its queues share.
///
/// The requests that wait because of a limit, the *throttled* ones, are in their queues (``ThrottledRequests``). Of
/// each queue only the oldest read and the oldest write have reserved tokens (``RateReservations``), and so know when
/// they are due. When one goes on, the next reserves. Queues therefore take turns, in the order of the
/// reservations, and the cost of a request does not depend on how many are throttled.
///
/// A queue is told by a notice in its ``Mailbox`` when a request of its own is due, or when the limits change. Its
/// owner is woken for that only while it has throttled requests. A thread keeps the time, from the first request
/// that is throttled until the last queue is closed. While no thread can be had, a queue with throttled requests
/// is told at once, and so asks again and again.
///
/// Queues of an image without limits do not come here, but when they are opened and closed.
///
/// Safe to share, although unchecked: all state is under the lock.
final class RateLimiter: @unchecked Sendable {
    /// A reservation of tokens for a throttled request.
    struct Reservation {
        fileprivate let number: UInt64
        /// That of the limits that it was made under. With others it has no tokens, and is not due.
        let generation: UInt64
    }

    private let lock = PthreadMutex()
    private let state: StablePointer<State>
    /// What the thread that keeps the time sleeps on.
    private let news = Futex()
    /// That thread has ended, or is needed again.
    private let departure = PthreadCondition()

    private struct State {
        var limits: RateLimits
        var reservations: RateReservations
        /// How often the limits have changed.
        var generation: UInt64 = 0
        /// By number; `nil` where there is no queue.
        var members: [Member?] = []
        /// How many of them there are.
        var memberCount = 0
        /// A thread keeps the time.
        var hasThread = false
        /// Until when the thread sleeps if nobody wakes it.
        var sleepsUntil: UInt64 = 0
    }

    /// An open queue.
    private struct Member {
        let mailbox: Mailbox
        /// It has throttled requests.
        var isThrottled = false
        /// When to tell it; `nil` when it has been told, or there is nothing to tell.
        var due: UInt64?
    }

    /// The longest sleep of the thread, in nanoseconds.
    private static let longestSleep: UInt64 = 3_600_000_000_000

    /// The limits must be valid.
    init(_ limits: RateLimits) {
        state = StablePointer(
            allocating: State(
                limits: limits,
                reservations: RateReservations(limits, now: monotonicNanoseconds())))
    }

    deinit { unsafe state.destroy() }

    /// The limits, and how often they have changed.
    var present: (limits: RateLimits, generation: UInt64) {
        lock.lock()
        defer { lock.unlock() }
        return (state.pointee.limits, state.pointee.generation)
    }

    /// Replaces the limits, which must be valid. All buckets are full then.
    func setLimits(_ limits: RateLimits) {
        lock.lock()
        defer { lock.unlock() }
        if limits == state.pointee.limits { return }
        state.pointee.limits = limits
        state.pointee.reservations = RateReservations(limits, now: monotonicNanoseconds())
        state.pointee.generation += 1
        for case let member? in state.pointee.members {
            member.mailbox.post(.rateLimits, wakesOwner: member.isThrottled)
        }
    }

    // MARK: Queues

    /// A queue has been opened. Returns its number.
    func join(_ mailbox: Mailbox) -> Int {
        lock.lock()
        defer { lock.unlock() }
        let member = Member(mailbox: mailbox)
        state.pointee.memberCount += 1
        // A queue that closes may be waiting for the thread to end.
        departure.signal()
        if let number = state.pointee.members.firstIndex(where: { $0 == nil }) {
            state.pointee.members[number] = member
            return number
        }
        state.pointee.members.append(member)
        return state.pointee.members.count - 1
    }

    /// A queue that has no request any more closes. The last one waits for the end of the thread.
    func leave(_ number: Int) {
        lock.lock()
        defer { lock.unlock() }
        state.pointee.members[number] = nil
        state.pointee.memberCount -= 1
        if state.pointee.memberCount > 0 || !state.pointee.hasThread { return }
        news.advance()
        news.wake(1)
        while state.pointee.hasThread && state.pointee.memberCount == 0 { departure.wait(lock) }
        // Another queue may have waited beside this one.
        departure.signal()
    }

    // MARK: Tokens

    /// Takes the tokens of a request if they are there; `nil` then. Otherwise reserves them for a queue.
    func takeOrReserve(_ demand: RateDemand, for number: Int) -> Reservation? {
        lock.lock()
        defer { lock.unlock() }
        let now = monotonicNanoseconds()
        guard
            let made = state.pointee.reservations.takeOrReserve(demand, for: number, now: now)
        else { return nil }
        return reservation(made)
    }

    /// Reserves the tokens of a request for a queue, also if they are there.
    func reserve(_ demand: RateDemand, for number: Int) -> Reservation {
        lock.lock()
        defer { lock.unlock() }
        let now = monotonicNanoseconds()
        return reservation(state.pointee.reservations.reserve(demand, for: number, now: now))
    }

    /// Under the lock.
    private func reservation(_ number: UInt64) -> Reservation {
        Reservation(number: number, generation: state.pointee.generation)
    }

    /// Takes the tokens of what goes on in any case.
    func take(_ demand: RateDemand) {
        lock.lock()
        defer { lock.unlock() }
        state.pointee.reservations.take(demand, now: monotonicNanoseconds())
    }

    /// Ends a reservation if it is due: the request goes on. False when it is not due.
    func endIfDue(_ reservation: Reservation) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        let now = monotonicNanoseconds()
        guard isPresent(reservation),
            state.pointee.reservations.isDue(reservation.number, now: now)
        else { return false }
        state.pointee.reservations.end(reservation.number)
        return true
    }

    /// Ends a reservation, due or not: the request goes on.
    func end(_ reservation: Reservation) {
        lock.lock()
        defer { lock.unlock() }
        if isPresent(reservation) { state.pointee.reservations.end(reservation.number) }
    }

    /// Gives back the tokens of a request that does not go on. Queues that have reserved after it are told
    /// earlier than they would have been.
    func giveBack(_ reservation: Reservation) {
        lock.lock()
        let isEarlier = isPresent(reservation) && bringForward(behind: reservation)
        lock.unlock()
        if isEarlier { news.wake(1) }
    }

    /// Under the lock. True when the thread is to be woken.
    private func bringForward(behind reservation: Reservation) -> Bool {
        let now = monotonicNanoseconds()
        let start = state.pointee.reservations.giveBack(reservation.number, now: now)
        var isEarlier = false
        for waiting in state.pointee.reservations.waiting[start...] {
            guard let due = state.pointee.members[waiting.member]?.due, waiting.due < due else {
                continue
            }
            state.pointee.members[waiting.member]?.due = waiting.due
            if waiting.due < state.pointee.sleepsUntil { isEarlier = true }
        }
        if isEarlier { news.advance() }
        return isEarlier
    }

    /// Under the lock.
    private func isPresent(_ reservation: Reservation) -> Bool {
        reservation.generation == state.pointee.generation
    }

    // MARK: Time

    /// Has a queue told when the first of its reservations is due. `reservation` is one of them; `nil` when none of
    /// its requests is throttled.
    func notify(_ number: Int, of reservation: Reservation?) {
        lock.lock()
        let isEarlier = note(reservation, of: number)
        lock.unlock()
        if isEarlier { news.wake(1) }
    }

    /// Under the lock. True when the thread is to be woken.
    private func note(_ reservation: Reservation?, of number: Int) -> Bool {
        state.pointee.members[number]?.isThrottled = reservation != nil
        let due = state.pointee.reservations.due(of: number)
        state.pointee.members[number]?.due = due
        guard let reservation else { return false }
        if !isPresent(reservation) {
            // The queue was not woken when the limits changed.
            state.pointee.members[number]?.mailbox.post(.rateLimits, wakesOwner: true)
        }
        guard state.pointee.hasThread || startThread() else {
            state.pointee.members[number]?.mailbox.post(.throttledDue, wakesOwner: true)
            return false
        }
        guard let due, due < state.pointee.sleepsUntil else { return false }
        news.advance()
        return true
    }

    private func startThread() -> Bool {
        do throws(SystemCallError) {
            try HostThread.start(named: "blockio-rates", stackSize: HostThread.smallStack) {
                self.keepTime()
            }
        } catch {
            return false
        }
        state.pointee.hasThread = true
        // It has not looked yet.
        state.pointee.sleepsUntil = 0
        return true
    }

    private func keepTime() {
        lock.lock()
        while state.pointee.memberCount > 0 {
            let now = monotonicNanoseconds()
            let next = tellMembers(now)
            state.pointee.sleepsUntil = next
            let seen = news.value
            lock.unlock()
            let span = Int64(min(next - now, Self.longestSleep))
            _ = news.wait(seen, .nanoseconds(span))
            lock.lock()
        }
        state.pointee.hasThread = false
        departure.signal()
        lock.unlock()
    }

    /// Under the lock: tells the queues of which a request is due. Returns when the next one is.
    private func tellMembers(_ now: UInt64) -> UInt64 {
        var next = UInt64.max
        for index in state.pointee.members.indices {
            guard let due = state.pointee.members[index]?.due else { continue }
            if due > now {
                next = min(next, due)
                continue
            }
            state.pointee.members[index]?.due = nil
            state.pointee.members[index]?.mailbox.post(.throttledDue, wakesOwner: true)
        }
        return next
    }
}
