import CBlockIO
import Glibc

/// Decides which engine runs an image: what is allowed, what is safe, what serves.
enum EngineSelection {
    /// The order of preference. Choosing by evidence about the image belongs here: `select`
    /// is the one place that decides.
    private static let preference: [EngineKind] = [.ioURing, .linuxAIO, .threadPool]

    static func select(
        _ choice: EngineChoice, descriptor: CInt, caching: OpenOptions.Caching, path: String
    ) throws(BlockError) -> (EngineKind, EngineReport) {
        switch choice {
        case .forced(let kind):
            if let refusal = refusal(of: kind, descriptor: descriptor, caching: caching) {
                throw BlockError(
                    .engineUnavailable, errno: refusal.errno, operation: .open, image: path,
                    detail: "\(kind) was asked for and cannot be used: \(refusal.reason)")
            }
            return (kind, EngineReport(entries: [.init(engine: kind, outcome: .taken("as asked"))]))
        case .auto:
            var report = EngineReport(entries: [])
            var taken: EngineKind?
            for kind in preference {
                let outcome: EngineReport.Outcome
                if let refusal = refusal(of: kind, descriptor: descriptor, caching: caching) {
                    outcome = .refused(refusal.reason, errno: refusal.errno)
                } else if let taken {
                    outcome = .passedOver("it works here, but \(taken) is preferred")
                } else {
                    taken = kind
                    outcome = .taken("the first in order of preference that works here")
                }
                report.entries.append(.init(engine: kind, outcome: outcome))
            }
            // The thread pool needs nothing that a process can be refused.
            return (taken ?? .threadPool, report)
        }
    }

    /// `nil` when the engine can run an image on this descriptor.
    private static func refusal(
        of kind: EngineKind, descriptor: CInt, caching: OpenOptions.Caching
    ) -> EngineRefusal? {
        switch kind {
        case .ioURing: URingEngine.refusal(descriptor: descriptor)
        case .linuxAIO: LinuxAIOEngine.refusal(descriptor: descriptor, caching: caching)
        case .threadPool: nil
        }
    }
}

/// Why an engine cannot be used: one sentence, with what an administrator can do.
struct EngineRefusal {
    let reason: String
    let errno: CInt
}
