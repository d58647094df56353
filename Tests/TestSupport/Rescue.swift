import Dispatch
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
    static let limit = DispatchTimeInterval.seconds(30)

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
    private let stopRequest = DispatchSemaphore(value: 0)
    private let end = DispatchSemaphore(value: 0)
    private let signals = Atomic<Int>(0)

    var hasHelped: Bool { signals.load(ordering: .acquiring) > 0 }

    init(of victim: pthread_t, _ help: @escaping @Sendable () -> Void) {
        let victim = UInt(victim)
        let start = DispatchTime.now()
        Thread.detachNewThread { [self] in
            // Sleeps until then, so that thousands of short bodies cost a thread each and no more.
            var deadline = start + Rescue.limit
            while stopRequest.wait(timeout: deadline) == .timedOut {
                signals.add(1, ordering: .releasing)
                help()
                pthread_kill(pthread_t(victim), SIGUSR2)
                deadline = .now() + .milliseconds(2)
            }
            end.signal()
        }
    }

    func stop() {
        stopRequest.signal()
        end.wait()
    }
}
