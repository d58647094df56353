import BlockHost
import BlockIO

/// Inverts one byte of what a read has brought.
struct FlippedBytes: SubmissionDecorator {
    let injector: FaultInjector

    var isIdle: Bool { injector.isIdle(.flippedByte) }

    func passage(of asked: AskedSubmission) -> Passage {
        injector.decide(asked, .flippedByte) == nil ? .asked : .watched(mark: 0)
    }

    func takeAnswer(of asked: AskedSubmission, mark: Int) -> Delivery {
        let submission = asked.submission
        let result = asked.request.pointee.result
        guard submission.kind == .read, result > 0 else { return .now }
        var place = injector.random(below: Int(result))
        for element in submission.list {
            if place < element.length {
                guard let base = unsafe element.base else { break }
                var byte: UInt8 = 0
                let from = unsafe VolatileMemory.copy(to: &byte, from: base + place, count: 1)
                guard from == .whole else { break }
                byte = ~byte
                unsafe VolatileMemory.copy(to: base + place, from: &byte, count: 1)
                break
            }
            place -= element.length
        }
        return .now
    }
}
