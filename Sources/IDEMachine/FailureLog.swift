import BlockDMA
import BlockHost
import BlockIO
import CommandLineSupport
import IDE

/// Says on standard error what the host has failed: once for each drive, operation, reason and action,
/// so that a guest that goes on and on cannot fill a log.
struct FailureLog {
    /// What happens to a request that a policy keeps.
    private let kept: String
    private var noted: Set<DriveEvent> = []

    init(kept: String) { self.kept = kept }

    mutating func note(_ event: DriveEvent) {
        guard noted.insert(event).inserted else { return }
        let reason = event.errno == 0 ? "\(event.failure)" : errnoMessage(event.errno)
        let action =
            switch event.action {
            case .report: "the guest is told"
            case .ignore: "the guest is told that all is well"
            case .stop: kept
            }
        StandardError.write(
            "ide-machine: \(event.slot): \(event.operation) failed: \(reason); \(action). "
                + "Further failures of this kind are not printed.\n")
    }
}
