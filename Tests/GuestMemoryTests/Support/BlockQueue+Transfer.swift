import BlockIO
import GuestMemory
import IDE

@testable import TestSupport

extension BlockQueue {
    /// Carries out one transfer at byte `offset` of the image, with nothing else on the queue.
    func carryOut(
        _ list: borrowing ScatterGatherList, _ direction: DMADirection, on mapper: DMAMapper,
        at offset: Int, alignment: Int = 1, unit: Int = 512, faults: FaultInjector? = nil
    ) throws -> DMAResult {
        let (transfer, step) = mapper.begin(list, direction, alignment: alignment, unit: unit)
        var result = perform(step, of: transfer, at: UInt64(offset))
        while result == nil {
            guard outstanding > 0 else { throw Stuck(outstanding: 0) }
            faults?.release()
            try pollForOne { completion in
                result = end(completion, of: completion.transfer, at: UInt64(offset))
            }
        }
        return result!
    }
}
