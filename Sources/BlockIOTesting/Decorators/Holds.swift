import BlockIO

/// Keeps submissions from the engine until somebody lets them go.
struct Holds: SubmissionDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.hold) }
    var mayEndWaits: Bool { true }

    func passage(of asked: AskedSubmission) -> Passage {
        guard let decision = injector.decide(asked, .hold) else { return .asked }
        return .held(decision.rule)
    }

    func attach(_ layer: DecoratorLayer) { injector.attach(layer) }
    func detach(_ layer: DecoratorLayer) { injector.detach(layer) }

    func takeReleased(_ layer: DecoratorLayer) -> [FaultInjector.RuleID?] {
        injector.takeReleased(layer)
    }

    func countHeld(_ change: Int) { injector.countHeld(change) }
}
