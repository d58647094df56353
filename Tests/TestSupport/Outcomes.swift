/// Collects the errors of concurrent work.
final class Outcomes: Sendable {
    private let collected = Locked<[any Error]>([])

    /// The errors so far.
    var errors: [any Error] {
        collected.withLock { $0 }
    }

    /// Runs `work` and keeps its error, if any.
    func record(_ work: () throws -> Void) {
        do {
            try work()
        } catch {
            collected.withLock { $0.append(error) }
        }
    }
}
