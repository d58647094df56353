import BlockIO

/// Lets another answer go first.
struct Reordering: OperationDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.reordering) }
    var mayEndWaits: Bool { true }

    func passage(of operation: AskedOperation) -> Passage {
        injector.decide(operation, .reordering) == nil ? .asked : .watched(mark: 0)
    }

    func takeAnswer(of operation: AskedOperation, mark: Int) -> Delivery { .afterAnother }
}
