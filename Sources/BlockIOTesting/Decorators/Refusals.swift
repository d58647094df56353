import BlockIO

/// Does not take operations now, as if the engine were out of resources.
struct Refusals: OperationDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.refusal) }
    var mayEndWaits: Bool { true }

    func passage(of operation: AskedOperation) -> Passage {
        injector.decide(operation, .refusal) == nil ? .asked : .refused
    }
}
