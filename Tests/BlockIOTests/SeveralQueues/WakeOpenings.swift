import BlockHost
import BlockIO
import Synchronization

/// Counts how often the engine of a queue was told that other threads may wake it
/// (``Engine/openToWakes()``). Changes nothing.
final class WakeOpenings: EngineDecorator {
    private let number = Atomic<Int>(0)

    var count: Int { number.load(ordering: .relaxed) }

    func decorate(_ base: any OpenEngine, of image: BlockImage) -> any OpenEngine {
        CountedEngine(base: base, openings: self)
    }

    fileprivate func note() { number.add(1, ordering: .relaxed) }
}

private struct CountedEngine: OpenEngine {
    let base: any OpenEngine
    let openings: WakeOpenings

    var inFlight: Int { base.inFlight }
    var descriptor: CInt { base.descriptor }
    var wakeEvent: WakeEvent { base.wakeEvent }
    var inlineCompletions: UInt64 { base.inlineCompletions }
    var pollerOperations: UInt64 { base.pollerOperations }

    func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        base.submit(&pending, answered: &answered)
    }

    func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        base.reap(minimum: minimum, limit: limit, pending: &pending, answered: &answered)
    }

    func cancel(_ request: RequestPointer) { base.cancel(request) }

    func setDescriptorWatched(_ isWatched: Bool) { base.setDescriptorWatched(isWatched) }
    func openToWakes() {
        openings.note()
        base.openToWakes()
    }

    func close() { base.close() }
}
