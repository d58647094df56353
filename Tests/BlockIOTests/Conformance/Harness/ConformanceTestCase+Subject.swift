import BlockIO
@testable import TestSupport

extension ConformanceTestCase {
    /// Runs `check` on every configuration that is wanted, with an image of `size` bytes and a
    /// queue of its own.
    func forEachConfiguration(
        size: Int, _ options: QueueOptions = QueueOptions(),
        where isWanted: (Configuration) -> Bool = { _ in true },
        _ check: (Subject) throws -> Void
    ) throws {
        try forEachTarget(size: size, where: isWanted) { configuration, target in
            try check(Subject(configuration, target, options))
        }
    }
}
