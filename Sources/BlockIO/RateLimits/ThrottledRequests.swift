/// The requests of a queue that wait because of a rate limit of the image: see ``RateLimiter``.
struct ThrottledRequests {
    /// Requests of one direction, the oldest first.
    struct Line {
        var requests = RequestFIFO()
        /// That of the first.
        var reservation: RateLimiter.Reservation?
    }

    /// The image has limits. Then no request takes the fast path.
    var isLimited = false
    /// The number of the queue with the limiter.
    var member = 0
    var reads = Line()
    /// Discards and writes of zeroes too.
    var writes = Line()

    subscript(isRead isRead: Bool) -> Line {
        get { isRead ? reads : writes }
        set { if isRead { reads = newValue } else { writes = newValue } }
    }

    /// Drops those of earlier limits.
    mutating func dropReservations(before generation: UInt64) {
        if reads.reservation?.generation != generation { reads.reservation = nil }
        if writes.reservation?.generation != generation { writes.reservation = nil }
    }

    var isEmpty: Bool { reads.requests.isEmpty && writes.requests.isEmpty }

    /// One of the two; `nil` when there is none.
    var anyReservation: RateLimiter.Reservation? { reads.reservation ?? writes.reservation }

    /// Whether the oldest of all is a read; `nil` when there is none.
    var isOldestRead: Bool? {
        guard let read = reads.requests.head else { return writes.requests.isEmpty ? nil : false }
        guard let write = writes.requests.head else { return true }
        return read.pointee.started <= write.pointee.started
    }
}
