import Glibc
import Synchronization

/// What ends a run early: SIGINT, SIGTERM and SIGHUP, and a pipe on standard output that nobody reads
/// any more. It is noted, and acted upon where the program looks.
enum Interrupt {
    /// The first signal; SIGPIPE for the pipe.
    private static let received = Atomic<CInt>(0)

    /// Catches the signals from now on. Without SA_RESTART, so that a wait ends early.
    ///
    /// A second SIGINT or SIGTERM ends the program at once. A second SIGHUP does not: the kernel and a
    /// shell each send one when a terminal goes away.
    static func install() {
        // Also the first use, which must not be a handler's.
        received.store(0, ordering: .relaxed)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { Interrupt.note($0) }
        // nohup(1) has it ignored.
        var former = sigaction()
        sigaction(SIGHUP, nil, &former)
        if unsafeBitCast(former.__sigaction_handler.sa_handler, to: Int.self) != ignored {
            sigaction(SIGHUP, &action, nil)
        }
        action.sa_flags = CInt(bitPattern: UInt32(SA_RESETHAND))
        for signal in [SIGINT, SIGTERM] { sigaction(signal, &action, nil) }
        // What a closed pipe does not take is an error of that write (EPIPE).
        signal(SIGPIPE, SIG_IGN)
    }

    private static let ignored = unsafeBitCast(SIG_IGN, to: Int.self)

    private static func note(_ signal: CInt) {
        _ = received.compareExchange(expected: 0, desired: signal, ordering: .relaxed)
    }

    /// Finds out whether the readers of standard output have gone (poll(2): POLLERR). One system call
    /// that does not wait.
    static func lookAtOutput() {
        var entry = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        if poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLERR) != 0 { note(SIGPIPE) }
    }

    /// Whether the run is to end.
    static var isPending: Bool { received.load(ordering: .relaxed) != 0 }

    /// Whether a report would have no reader.
    static var isOutputClosed: Bool { received.load(ordering: .relaxed) == SIGPIPE }

    /// As shells have it: 128 and the signal's number; `nil` when none has come.
    static var exitStatus: Int32? {
        let signal = received.load(ordering: .relaxed)
        return signal == 0 ? nil : 128 + signal
    }
}
