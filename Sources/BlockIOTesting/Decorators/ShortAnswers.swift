import BlockIO

/// Reports fewer bytes than the engine has moved.
struct ShortAnswers: SubmissionDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.shortAnswer) }

    func passage(of asked: AskedSubmission) -> Passage {
        guard case .short(let limit) = injector.decide(asked, .shortAnswer)?.fault else {
            return .asked
        }
        return .watched(mark: limit)
    }

    func takeAnswer(of asked: AskedSubmission, mark limit: Int) -> Delivery {
        let request = asked.request
        request.pointee.result = min(request.pointee.result, Int64(limit))
        return .now
    }
}
