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
        var result = perform(step, of: transfer, at: UInt64(offset))
        var deadline = ContinuousClock.now + Patience.limit
        while result == nil {
            guard outstanding > 0, ContinuousClock.now < deadline else {
                throw Stuck(outstanding: outstanding)
            }
            // What a fault holds is let go, also what comes while this waits.
            faults?.release()
            let limit = faults == nil ? Patience.limit : .milliseconds(2)
            poll(minimum: 1, timeout: limit) { completion in
                result = end(completion, of: completion.transfer, at: UInt64(offset))
                deadline = ContinuousClock.now + Patience.limit
            }
        }
        return result!
    }
}
