import BlockIO

/// Reports fewer bytes than the engine has moved.
struct ShortAnswers: OperationDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.shortAnswer) }

    func passage(of operation: AskedOperation) -> Passage {
        guard case .short(let limit) = injector.decide(operation, .shortAnswer)?.fault else {
            return .asked
        }
        return .watched(mark: limit)
    }

    func takeAnswer(of operation: AskedOperation, mark limit: Int) -> Delivery {
        let request = operation.request
        request.pointee.result = min(request.pointee.result, Int64(limit))
        return .now
    }
}
