import Glibc

/// Waits until `condition` holds; throws after ten seconds.
func eventually(_ what: @autoclosure () -> String, _ condition: () -> Bool) throws {
    for _ in 0..<1000 {
        if condition() { return }
        usleep(10_000)
    }
    throw FixtureError.failed("waited in vain until \(what())")
}
