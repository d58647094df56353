import BlockIO

/// Answers operations with an error; the engine is not asked.
struct Failures: OperationDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.failure) }
    var mayEndWaits: Bool { true }

    func passage(of operation: AskedOperation) -> Passage {
        switch injector.decide(operation, .failure)?.fault {
        case .error(let errno): .answered(errno: errno, isTransient: false)
        case .transientError(let errno): .answered(errno: errno, isTransient: true)
        default: .asked
        }
    }
}
