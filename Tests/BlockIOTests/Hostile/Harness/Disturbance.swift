import Glibc
import Synchronization
@testable import TestSupport

/// Something that a thread of its own does again and again until it is told to stop.
final class Disturbance: Sendable {
    private let isStopping = Atomic<Bool>(false)
    private let rounds = Atomic<Int>(0)
    private let hasEnded = Atomic<Bool>(false)

    /// Starts it; `step` gets the number of the round.
    init(_ step: @escaping @Sendable (Int) -> Void) {
        let start = Unmanaged.passRetained(Start(disturbance: self, step: step))
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { context in
                let start = Unmanaged<Start>.fromOpaque(context!).takeRetainedValue()
                start.disturbance.run(start.step)
                return nil
            }, start.toOpaque())
        precondition(error == 0, "pthread_create: \(error)")
        pthread_detach(thread)
    }

    private final class Start: Sendable {
        let disturbance: Disturbance
        let step: @Sendable (Int) -> Void

        init(disturbance: Disturbance, step: @escaping @Sendable (Int) -> Void) {
            self.disturbance = disturbance
            self.step = step
        }
    }

    private func run(_ step: @Sendable (Int) -> Void) {
        while !isStopping.load(ordering: .acquiring) {
            step(rounds.load(ordering: .relaxed))
            rounds.add(1, ordering: .releasing)
        }
        hasEnded.store(true, ordering: .releasing)
    }

    /// Rounds done.
    var count: Int { rounds.load(ordering: .acquiring) }

    /// Waits until it has stopped.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        while !hasEnded.load(ordering: .acquiring) { usleep(100) }
    }
}
