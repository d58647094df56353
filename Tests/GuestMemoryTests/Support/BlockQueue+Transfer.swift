import BlockDMA
import BlockIO
import BlockIOTesting
import GuestMemory

@testable import TestSupport

extension BlockQueue {
    /// Carries out one transfer at byte `offset` of the image, with nothing else on the queue.
    func carryOut(
        _ list: borrowing ScatterGatherList, _ direction: DMADirection, on mapper: DMAMapper,
        at offset: Int, alignment: Int = 1, unit: Int = 512, faults: FaultInjector? = nil
    ) throws -> DMAResult {
        let (transfer, step) = mapper.begin(list, direction, alignment: alignment, unit: unit)
        var request = HostRequest()
        var result = request.begin(transfer, step, on: self, at: UInt64(offset)).result
        var deadline = ContinuousClock.now + Patience.limit
        while result == nil {
            guard outstanding > 0, ContinuousClock.now < deadline else {
                throw Stuck(outstanding: outstanding)
            }
            // What a fault holds is let go, also what comes while this waits.
            faults?.release()
            let limit = faults == nil ? Patience.limit : .milliseconds(2)
            poll(minimum: 1, timeout: limit) { completion in
                result = request.end(completion, on: self)
                deadline = ContinuousClock.now + Patience.limit
            }
        }
        return result!
    }
}
