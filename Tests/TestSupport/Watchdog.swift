import Dispatch

/// Ends the process when something that may block for ever in the library does, and says what.
enum Watchdog {
    private static let limit = DispatchTimeInterval.seconds(300)

    /// Runs `body`.
    static func guarding<Result>(
        _ what: String, _ body: () throws -> Result
    ) rethrows -> Result {
        let alarm = DispatchWorkItem {
            fatalError("\(what): no end in sight (BLOCKIO_SEED=\(Seed.text))")
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + limit, execute: alarm)
        defer { alarm.cancel() }
        return try body()
    }
}
