import Foundation
import Glibc
import Synchronization

/// Helps a thread out of a wait in the library that does not end by itself, so that a hang is a
/// failure of one test and not the end of the run.
///
/// The help is a signal: a wait ends with EINTR, and the next one finds what was missed. A wait
/// that no signal ends is left to ``Watchdog``.
enum Rescue {
    /// How long a body that takes milliseconds may take. A disk that others write to at the same time has
    /// kept one waiting for more than ten seconds.
    static let limit = Duration.seconds(30)

    /// Runs `body`; throws ``Stuck`` when it needed help to come to its end. `help` is called too,
    /// by another thread.
    static func watching<Result>(
        outstanding: @autoclosure () -> Int = 0, help: @escaping @Sendable () -> Void = {},
        _ body: () throws -> Result
    ) throws -> Result {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        var before = sigaction()
        try SystemCall.check(SystemCall.result(sigaction(SIGUSR2, &action, &before)), "sigaction")
        let rescuer = Rescuer(of: pthread_self(), help)
        defer { sigaction(SIGUSR2, &before, nil) }
        let result: Result
        do {
            defer { rescuer.stop() }
            result = try body()
        }
        if rescuer.hasHelped { throw Stuck(outstanding: outstanding()) }
        return result
    }
}

/// A thread that sends signals to another after a while.
private final class Rescuer: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = Atomic<Bool>(false)
    private let signals = Atomic<Int>(0)

    var hasHelped: Bool { signals.load(ordering: .acquiring) > 0 }

    init(of victim: pthread_t, _ help: @escaping @Sendable () -> Void) {
        let victim = UInt(victim)
        let start = ContinuousClock.now
        Thread.detachNewThread { [self] in
            while !isStopped.load(ordering: .acquiring) {
                usleep(500)
                guard ContinuousClock.now - start > Rescue.limit else { continue }
                signals.add(1, ordering: .releasing)
                help()
                pthread_kill(pthread_t(victim), SIGUSR2)
                usleep(2_000)
            }
            hasEnded.store(true, ordering: .releasing)
        }
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        while !hasEnded.load(ordering: .acquiring) { usleep(200) }
    }
}
