import BlockDMA
import BlockHost
import BlockIO
import CommandLineSupport
import IDE

/// Reports failures of the host on standard error: once for each drive, operation, reason and
/// action, so that a guest that repeats a command cannot fill a log.
struct FailureLog {
    /// The text for a request that an error policy keeps.
    private let kept: String
    private var noted: Set<DriveEvent> = []

    init(kept: String) { self.kept = kept }

    mutating func note(_ event: DriveEvent) {
        guard noted.insert(event).inserted else { return }
        let reason = event.errno == 0 ? "\(event.failure)" : errnoMessage(event.errno)
        let action =
            switch event.action {
            case .report: "the guest is told"
            case .ignore: "the guest is told that it succeeded"
            case .stop: kept
            }
        StandardError.write(
            "ide-machine: \(event.slot): \(event.operation) failed: \(reason); \(action). "
                + "Further failures of this kind are not printed.\n")
    }
}
