import BlockIO

/// Asks the engine later.
struct Delays: SubmissionDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.delay) }
    var mayEndWaits: Bool { true }

    func passage(of asked: AskedSubmission) -> Passage {
        guard case .delay(let duration) = injector.decide(asked, .delay)?.fault else {
            return .asked
        }
        let (seconds, attoseconds) = duration.components
        return .delayed(UInt64(max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)))
    }
}
