import BlockIO
import Glibc

/// Fails what is asked while the power is off, and what was under way when it went.
struct PowerLoss: SubmissionDecorator {
    let power: PowerSwitch

    var mayEndWaits: Bool { true }

    func passage(of asked: AskedSubmission) -> Passage {
        let uses = power.uses
        return uses & 1 == 0
            ? .watched(mark: uses) : .answered(errno: power.errno, isTransient: false)
    }

    func takeAnswer(of asked: AskedSubmission, mark: Int) -> Delivery {
        if power.uses != mark { asked.request.pointee.result = -Int64(power.errno) }
        return .now
    }
}
