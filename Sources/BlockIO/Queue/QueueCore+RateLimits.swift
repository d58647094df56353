import BlockHost

// What a queue does because its image has rate limits: see ``RateLimiter``. A request is throttled before it is
// admitted, so that nothing else waits for it.
extension QueueCore {
    /// Lets the limiter know of the queue. From now on it may leave notices.
    mutating func joinRateLimiter() {
        throttled.member = image.rateLimiter.join(mailbox)
        adoptRateLimits()
    }

    /// Takes over whether there are limits. What is throttled reserves anew, or goes on if there are none.
    mutating func adoptRateLimits() {
        let (limits, generation) = image.rateLimiter.present
        if !limits.isEmpty && !throttled.isLimited { engine.openToWakes() }
        throttled.isLimited = !limits.isEmpty
        adoptGeometry(files.first)
        throttled.dropReservations(before: generation)
        if throttled.isLimited { releaseDue() } else { releaseThrottled() }
    }

    /// Admits a request of an image with limits, or keeps it until it is due. One that a resize holds back takes its
    /// tokens afterwards, because only then is it known whether it goes on.
    mutating func admitWithinLimits(_ request: RequestPointer, wasHeldBack: Bool = false) {
        if request.pointee.operation == .resize && request.pointee.route != .guest {
            // It waits for the writes that were made before it.
            releaseThrottled(.writes)
        }
        guard request.pointee.isLimited, !isHeldBack(request), goesOn(request) else {
            return admit(request, wasHeldBack: wasHeldBack)
        }
        // Its length is known only now.
        let demand = RateDemand(request)
        let isFirst = throttled[isRead: demand.isRead].requests.isEmpty
        if isClosing {
            image.rateLimiter.take(demand)
            return admitWithTokens(request, wasHeldBack: wasHeldBack)
        }
        if isFirst {
            let reservation = image.rateLimiter.takeOrReserve(demand, for: throttled.member)
            if reservation == nil { return admitWithTokens(request, wasHeldBack: wasHeldBack) }
            throttled[isRead: demand.isRead].reservation = reservation
        }
        counters.throttledRequests &+= 1
        countComposite(request)
        block(request)
        request.pointee.place = .throttled
        throttled[isRead: demand.isRead].requests.append(request)
        if isFirst { notifyWhenDue() }
    }

    /// Admits a request that had been admitted, and that a resize came before.
    mutating func readmit(_ request: RequestPointer, wasHeldBack: Bool) {
        if throttled.isLimited {
            admitWithinLimits(request, wasHeldBack: wasHeldBack)
        } else {
            admit(request, wasHeldBack: wasHeldBack)
        }
    }

    /// Whether a request will be held back by a resize.
    private func isHeldBack(_ request: RequestPointer) -> Bool {
        request.pointee.operation.changesImage
            && (file(of: request).pointee.barrier != nil || isHeldByGroup)
    }

    /// Whether a request does not complete at once. One that does takes no tokens.
    private mutating func goesOn(_ request: RequestPointer) -> Bool {
        let goesOn = check(request).goesOn
        forgetCheck(request)
        return goesOn
    }

    private mutating func admitWithTokens(_ request: RequestPointer, wasHeldBack: Bool = false) {
        request.pointee.hasPassedLimits = true
        admit(request, wasHeldBack: wasHeldBack)
    }

    /// Goes on with the throttled requests that are due.
    mutating func releaseDue() {
        if throttled.isEmpty { return }
        releaseDue(isRead: true)
        releaseDue(isRead: false)
        notifyWhenDue()
        submitUnlessPlugged()
    }

    private mutating func releaseDue(isRead: Bool) {
        while let request = throttled[isRead: isRead].requests.head {
            let reservation = reservation(of: request, isRead: isRead)
            guard image.rateLimiter.endIfDue(reservation) else { return }
            release(request, isRead: isRead)
        }
    }

    /// The reservation of the first of a line, which is made if there is none.
    @discardableResult
    private mutating func reservation(
        of request: RequestPointer, isRead: Bool
    ) -> RateLimiter.Reservation {
        if let reservation = throttled[isRead: isRead].reservation { return reservation }
        let reservation = image.rateLimiter.reserve(
            RateDemand(request), for: throttled.member)
        throttled[isRead: isRead].reservation = reservation
        return reservation
    }

    /// Which throttled requests go on.
    enum Released { case all, writes }

    /// Goes on with throttled requests whether or not they are due, in the order in which they were made. What they
    /// take is a debt.
    mutating func releaseThrottled(_ which: Released = .all) {
        if throttled.isEmpty { return }
        while let isRead = which == .all ? throttled.isOldestRead : false,
            let request = throttled[isRead: isRead].requests.head
        {
            if throttled.isLimited {
                image.rateLimiter.end(reservation(of: request, isRead: isRead))
            }
            release(request, isRead: isRead)
        }
        notifyWhenDue()
        submitUnlessPlugged()
    }

    /// Admits the first of a line, whose tokens have been taken.
    private mutating func release(_ request: RequestPointer, isRead: Bool) {
        _ = throttled[isRead: isRead].requests.popFirst()
        throttled[isRead: isRead].reservation = nil
        countThrottledTime(request)
        request.pointee.place = .elsewhere
        request.pointee.phase = .transfer
        request.pointee.isComposite = false
        composite &-= 1
        admitWithTokens(request)
    }

    /// Takes out a throttled request that is cancelled.
    mutating func leaveThrottled(_ request: RequestPointer) {
        let demand = RateDemand(request)
        let isFirst = throttled[isRead: demand.isRead].requests.head == request
        throttled[isRead: demand.isRead].requests.remove(request)
        countThrottledTime(request)
        guard isFirst else { return }
        if let reservation = throttled[isRead: demand.isRead].reservation {
            image.rateLimiter.giveBack(reservation)
        }
        throttled[isRead: demand.isRead].reservation = nil
        if let next = throttled[isRead: demand.isRead].requests.head {
            reservation(of: next, isRead: demand.isRead)
        }
        notifyWhenDue()
    }

    private mutating func notifyWhenDue() {
        image.rateLimiter.notify(throttled.member, of: throttled.anyReservation)
    }

    private mutating func countThrottledTime(_ request: RequestPointer) {
        counters.throttledNanoseconds &+= monotonicNanoseconds() &- request.pointee.started
    }

    /// Takes tokens for zeroes that have to be written as buffers, which those after them wait for.
    func takeBytesOfZeroes(_ request: RequestPointer) {
        guard throttled.isLimited,
            request.pointee.route != .guest || request.pointee.child.isOfGuest
        else { return }
        image.rateLimiter.take(
            RateDemand(isRead: false, operations: 0, bytes: request.pointee.length))
    }
}

extension IORequest {
    /// Whether the request takes tokens when it goes on, and has taken none. What a format does to its files takes none.
    fileprivate var isLimited: Bool {
        if route == .guest || hasPassedLimits { return false }
        return switch operation {
        case .read, .write, .discard, .writeZeroes: true
        case .flush, .open, .resize: false
        }
    }
}
