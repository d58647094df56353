import BlockIO

/// One thing that can happen to the submissions of a queue. What all decorators have in common, to keep
/// submissions and answers and to come back to them, is done by ``DecoratedEngine``.
protocol SubmissionDecorator: EngineDecorator {
    /// Whether nothing can happen to a submission yet, so that submissions pass unseen. Once false, it stays
    /// false.
    var isIdle: Bool { get }

    /// Whether submissions can be answered, or go on, without an answer of the engine. A wait must then end
    /// for each answer of the engine and for each wake.
    var mayEndWaits: Bool { get }

    /// What happens to a submission on its way to the engine.
    func passage(of asked: AskedSubmission) -> Passage

    /// Changes the answer of the engine to a submission that is watched.
    func takeAnswer(of asked: AskedSubmission, mark: Int) -> Delivery

    /// Notes that the decorator is over another open engine.
    func attach(_ layer: DecoratorLayer)

    /// Notes that this engine is closed.
    func detach(_ layer: DecoratorLayer)

    /// The rules whose submissions, held by this layer so far, are to go on. An element that is `nil` stands
    /// for all rules.
    func takeReleased(_ layer: DecoratorLayer) -> [FaultInjector.RuleID?]

    /// Notes that the layer holds more submissions, or fewer.
    func countHeld(_ change: Int)
}

extension SubmissionDecorator {
    var isIdle: Bool { false }
    var mayEndWaits: Bool { false }
    func takeAnswer(of asked: AskedSubmission, mark: Int) -> Delivery { .now }
    func attach(_ layer: DecoratorLayer) {}
    func detach(_ layer: DecoratorLayer) {}
    func takeReleased(_ layer: DecoratorLayer) -> [FaultInjector.RuleID?] { [] }
    func countHeld(_ change: Int) {}

    func decorate(_ base: any OpenEngine, of image: BlockImage) -> any OpenEngine {
        EngineBox(DecoratedEngine(base, self))
    }
}
