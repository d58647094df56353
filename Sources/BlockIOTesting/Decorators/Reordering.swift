import BlockIO

/// Lets another answer go first.
struct Reordering: SubmissionDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.reordering) }
    var mayEndWaits: Bool { true }

    func passage(of asked: AskedSubmission) -> Passage {
        injector.decide(asked, .reordering) == nil ? .asked : .watched(mark: 0)
    }

    func takeAnswer(of asked: AskedSubmission, mark: Int) -> Delivery { .afterAnother }
}
