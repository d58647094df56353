import Glibc
import Synchronization

/// SIGINT and SIGTERM: noted, and acted upon where the program looks; a second one ends it at
/// once.
enum Interrupt {
    private static let received = Atomic<CInt>(0)

    /// Catches both signals from now on. Without SA_RESTART, so that a wait ends early.
    static func install() {
        // Also the first use, which must not be a handler's.
        received.store(0, ordering: .relaxed)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = {
            Interrupt.received.store($0, ordering: .relaxed)
        }
        action.sa_flags = CInt(bitPattern: UInt32(SA_RESETHAND))
        for signal in [SIGINT, SIGTERM] { sigaction(signal, &action, nil) }
    }

    /// Whether either signal has come.
    static var isPending: Bool { received.load(ordering: .relaxed) != 0 }

    /// As shells have it: 128 and the signal's number; `nil` when none has come.
    static var exitStatus: Int32? {
        let signal = received.load(ordering: .relaxed)
        return signal == 0 ? nil : 128 + signal
    }
}
