import BlockIO

/// Answers engine submissions with an error; the engine is not asked.
struct Failures: SubmissionDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.failure) }
    var mayEndWaits: Bool { true }

    func passage(of asked: AskedSubmission) -> Passage {
        switch injector.decide(asked, .failure)?.fault {
        case .error(let errno): .answered(errno: errno, isTransient: false)
        case .transientError(let errno): .answered(errno: errno, isTransient: true)
        default: .asked
        }
    }
}
