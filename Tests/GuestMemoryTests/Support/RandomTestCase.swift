import XCTest

@testable import TestSupport

/// A test of random cases. Its failures name the seed and the case; BLOCKIO_SEED and
/// BLOCKIO_ROUNDS repeat them and make more.
class RandomTestCase: XCTestCase {
    private var current: String?

    override func recordFailure(
        withDescription description: String, inFile filePath: String, atLine lineNumber: Int,
        expected: Bool
    ) {
        let place = current.map { "[\($0), BLOCKIO_SEED=\(Seed.text)] " } ?? ""
        super.recordFailure(
            withDescription: place + description, inFile: filePath, atLine: lineNumber,
            expected: expected)
    }

    /// Runs `check` on `count` cases in each round, each with a generator of its own; stops after
    /// the first that fails.
    func forEachCase(_ count: Int, _ check: (inout SplitMix64) throws -> Void) rethrows {
        var seeds = SplitMix64(seed: Seed.value)
        defer { current = nil }
        for number in 0..<count * Rounds.count {
            var random = SplitMix64(seed: seeds.next())
            current = "case \(number)"
            try check(&random)
            if let testRun, testRun.totalFailureCount > 0 { return }
        }
    }
}
