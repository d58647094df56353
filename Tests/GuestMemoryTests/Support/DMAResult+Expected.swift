@testable import GuestMemory

extension DMAResult {
    /// What a test expects.
    init(_ outcome: Outcome, _ transferred: UInt64) {
        self.init(outcome: outcome, transferred: transferred)
    }
}
