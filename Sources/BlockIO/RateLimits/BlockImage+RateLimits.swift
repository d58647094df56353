extension BlockImage {
    /// The rate limits, which the queues of the image share.
    public var rateLimits: RateLimits { rateLimiter.present.limits }

    /// Replaces the rate limits, from any thread and at any time; `RateLimits()` lifts them.
    ///
    /// Each queue adopts them when it is next polled. A queue that has throttled requests is woken for that: those
    /// that the new limits let through go on at once, in order. The new limits begin with full bursts. Limits that
    /// are equal to the present ones change nothing.
    ///
    /// - Throws: ``BlockError`` with ``BlockError/Code/invalidOption`` when a value is outside its range.
    public func setRateLimits(_ limits: RateLimits) throws(BlockError) {
        try limits.validate(image: path)
        rateLimiter.setLimits(limits)
    }
}
