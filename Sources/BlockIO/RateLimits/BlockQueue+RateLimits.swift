extension BlockQueue {
    /// Goes on at once with the requests that wait because of a rate limit. Later requests wait for the tokens that
    /// these take.
    package func releaseThrottled() {
        if !isClosed { core.pointee.releaseThrottled() }
    }
}
