import BlockIO

/// Does not take submissions now, as if the engine were out of resources.
struct Refusals: SubmissionDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.refusal) }
    var mayEndWaits: Bool { true }

    func passage(of asked: AskedSubmission) -> Passage {
        injector.decide(asked, .refusal) == nil ? .asked : .refused
    }
}
