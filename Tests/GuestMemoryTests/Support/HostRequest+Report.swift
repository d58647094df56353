import BlockDMA
import BlockIO
import GuestMemory

extension HostRequest {
    /// Takes a completion of a piece, and reports what the host has failed. The result when the transfer
    /// is over.
    mutating func end(_ completion: BlockCompletion, on queue: BlockQueue) -> DMAResult? {
        let answer = complete(completion, on: queue)
        return answer == .failed
            ? apply(.report, to: completion, on: queue).result : answer.result
    }
}

extension HostAnswer {
    /// How the transfer has ended; `nil` if it goes on.
    var result: DMAResult? {
        guard case .transferCompleted(let result) = self else { return nil }
        return result
    }
}
