/// The buckets of ``RateLimits`` and the reservations of throttled requests, in the order in which they were made,
/// as a pure value like ``RateBucket``.
///
/// When a reservation is given back, those behind it are due when they would be if it had never been made. They
/// keep their order. What has been taken meanwhile without a reservation may leave them due later than that,
/// but never later than before.
struct RateReservations {
    struct Reservation {
        let number: UInt64
        /// The queue whose request waits.
        let member: Int
        let demand: RateDemand
        /// In nanoseconds, of the caller's clock.
        fileprivate(set) var due: UInt64
    }

    private var buckets: RateBuckets
    /// The oldest first: two of each queue at most.
    private(set) var waiting: [Reservation] = []
    private var nextNumber: UInt64 = 0

    /// Full buckets. The limits must be valid.
    init(_ limits: RateLimits, now: UInt64) {
        buckets = RateBuckets(limits, now: now)
    }

    /// Takes what a request demands that goes on in any case.
    mutating func take(_ demand: RateDemand, now: UInt64) {
        _ = buckets.reserve(demand, now: now)
    }

    /// Takes what a request demands if it is there; `nil` then. Otherwise reserves it, and returns the number of
    /// the reservation.
    mutating func takeOrReserve(
        _ demand: RateDemand, for member: Int, now: UInt64
    ) -> UInt64? {
        let wait = buckets.reserve(demand, now: now)
        return wait == 0 ? nil : add(demand, member, due: now.addingOrMax(wait))
    }

    /// Reserves what a request demands, also if it is there. Returns the number of the reservation.
    mutating func reserve(_ demand: RateDemand, for member: Int, now: UInt64) -> UInt64 {
        let wait = buckets.reserve(demand, now: now)
        return add(demand, member, due: now.addingOrMax(wait))
    }

    private mutating func add(_ demand: RateDemand, _ member: Int, due: UInt64) -> UInt64 {
        let number = nextNumber
        nextNumber += 1
        waiting.append(Reservation(number: number, member: member, demand: demand, due: due))
        return number
    }

    // Loops without closures and iterators, for which a debug build would allocate.

    /// When the first reservation of a queue is due; `nil` when it has none.
    func due(of member: Int) -> UInt64? {
        var first: UInt64?
        var index = 0
        while index < waiting.count {
            if waiting[index].member == member { first = min(first ?? .max, waiting[index].due) }
            index += 1
        }
        return first
    }

    func isDue(_ number: UInt64, now: UInt64) -> Bool {
        guard let index = index(of: number) else { return false }
        return waiting[index].due <= now
    }

    /// The request goes on, with its tokens.
    mutating func end(_ number: UInt64) {
        if let index = index(of: number) { remove(at: index) }
    }

    /// The request does not go on. Returns where those begin in ``waiting`` that were behind it, and may be due
    /// earlier now.
    mutating func giveBack(_ number: UInt64, now: UInt64) -> Int {
        guard let index = index(of: number) else { return waiting.count }
        buckets.giveBack(waiting[index].demand)
        remove(at: index)
        var since = RateDemandSums()
        var place = waiting.count
        while place > index {
            place -= 1
            let demand = waiting[place].demand
            since.add(demand)
            let wait = buckets.wait(for: demand, reservedSince: since, now: now)
            waiting[place].due = min(waiting[place].due, now.addingOrMax(wait))
        }
        return index
    }

    private func index(of number: UInt64) -> Int? {
        var index = 0
        while index < waiting.count {
            if waiting[index].number == number { return index }
            index += 1
        }
        return nil
    }

    private mutating func remove(at index: Int) {
        var place = index
        while place < waiting.count - 1 {
            waiting[place] = waiting[place + 1]
            place += 1
        }
        waiting.removeLast()
    }
}

extension UInt64 {
    fileprivate func addingOrMax(_ other: UInt64) -> UInt64 {
        let (sum, isTooLarge) = addingReportingOverflow(other)
        return isTooLarge ? .max : sum
    }
}
