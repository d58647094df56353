import CTestSupport
import Glibc
import GuestMemory
import Synchronization

/// Two threads that meet in every round: one writes to a page and marks it, as a vCPU does; the
/// other one begins to watch the page and then reads it. The round is lost when the second thread
/// sees neither the bytes nor the mark.
///
/// The write and the look at the log are a store and a load of different places, which every
/// processor reorders. The page was last written by the other thread, so that the store takes
/// longer than the load.
final class StartRace: @unchecked Sendable {
    /// Cache lines written in a round: so many that the last one has not reached memory when the log
    /// is looked at.
    private static let lines = 32

    private let ready = Atomic(0)
    private let turn = Atomic(0)
    private let done = Atomic(0)
    private let memories: [GuestRAM]

    /// A race with one round for each of `memories`.
    init(_ memories: [GuestRAM]) { self.memories = memories }

    /// How many rounds were lost. `watch` begins to watch page 0; `isMarked` says, after both
    /// threads have finished the round, whether the page was marked.
    func lost(watch: (GuestRAM) -> Void, isMarked: (GuestRAM) -> Bool) -> Int {
        let writer = Worker { [self] in
            for index in memories.indices { write(index) }
        }
        var lost = 0
        // Steered so that `watch` and the look at the log happen at the same time.
        var delay = 0
        for (index, memory) in memories.enumerated() {
            cts_guest_store_lines(memory.base, Self.lines, 0)
            meet(ready, index + 1)
            turn.store(index + 1, ordering: .releasing)
            wait(delay)
            watch(memory)
            let isSeen = cts_guest_load(memory.base + (Self.lines - 1) * 64) == 1
            meet(done, index + 1)
            if isMarked(memory) {
                delay = min(delay + 1, 300)
            } else {
                delay = max(0, delay - 1)
                if !isSeen { lost += 1 }
            }
        }
        writer.join()
        return lost
    }

    private func write(_ index: Int) {
        let memory = memories[index]
        let base = memory.base
        let log = memory.dirtyLog
        // Brings what says whether anybody watches into this processor's cache.
        log.mark(offset: 0, length: 0)
        ready.store(index + 1, ordering: .releasing)
        meet(turn, index + 1)
        cts_guest_store_lines(base, Self.lines, 1)
        log.mark(offset: 0, length: Self.lines * 64)
        done.store(index + 1, ordering: .releasing)
    }

    /// Waits until the other thread has got to `round`.
    private func meet(_ place: borrowing Atomic<Int>, _ round: Int) {
        var patience = 2000
        while place.load(ordering: .acquiring) < round {
            patience -= 1
            if patience < 0 { sched_yield() }
        }
    }

    private func wait(_ steps: Int) {
        for _ in 0..<steps { _ = turn.load(ordering: .relaxed) }
    }
}
