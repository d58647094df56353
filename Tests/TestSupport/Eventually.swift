import Glibc

/// Waits until `condition` holds; throws when it does not for ``Patience/limit``.
///
/// What is waited for mostly holds within a millisecond, so the first looks are close to each other.
func eventually(_ what: @autoclosure () -> String, _ condition: () -> Bool) throws {
    let end = ContinuousClock.now + Patience.limit
    var pause: UInt32 = 100
    while !condition() {
        guard ContinuousClock.now < end else {
            throw FixtureError.failed("waited in vain until \(what())")
        }
        usleep(pause)
        pause = min(2 * pause, 10_000)
    }
}
