import CTestSupport
import Glibc

/// A shell that makes something the kernel would not clean up by itself, and removes it again when
/// it is dismissed or when this process dies, however it dies.
///
/// The shell's standard input is a pipe whose only other end this process holds: when that end is
/// closed, the shell removes what it made. As the shell makes the thing too, there is no moment at
/// which the thing exists and nobody would remove it. The shell runs in a session of its own (the
/// terminal's Ctrl-C does not reach it), ignores the usual signals, and holds nothing of this
/// process's but the two pipes, so a pipeline the test's output goes to ends with the test.
final class Janitor: Sendable {
    /// What the set-up said it made.
    let report: String
    private let child: pid_t
    private let leash: Descriptor
    private let answers: Descriptor
    private let outcome = Locked<Bool?>(nil)

    /// Functions of the scripts: `made` ends a set-up; so do `missing` (the machine lacks it) and
    /// `failed`. `retry` repeats a command while, for five minutes, it fails.
    private static let prelude = """
        trap '' HUP INT QUIT TERM PIPE
        cd /
        made() { echo "made $*"; }
        missing() { echo "missing $*"; exit 1; }
        failed() { echo "failed $*"; exit 1; }
        retry() {
            tries=0
            until "$@"; do
                tries=$((tries + 1))
                [ "$tries" -lt 6000 ] || return 1
                sleep 0.05
            done
        }
        """

    /// Starts a shell, which sees `arguments` as "$1" and so on, and waits for the end of `setUp`.
    init(setUp: String, tearDown: String, arguments: [String]) throws {
        let script = """
            \(Self.prelude)
            \(setUp)
            read -r _
            {
            \(tearDown)
            } >/dev/null
            """
        let orders = try Descriptor.pipe()
        let answers = try Descriptor.pipe()
        let child = try ChildProcess.spawn(
            "/bin/sh", ["-c", script, "janitor"] + arguments, input: orders.reading,
            output: answers.writing, ownSession: true)
        orders.reading.close()
        answers.writing.close()
        self.child = child
        self.leash = orders.writing
        self.answers = answers.reading

        let line = answers.reading.readLine() ?? ""
        let (verdict, text) = Self.splitAtSpace(line)
        self.report = text
        guard verdict == "made" else {
            _ = dismiss()
            throw verdict == "missing"
                ? FixtureError.missing(text) : FixtureError.failed("set-up: \(line)")
        }
    }

    deinit {
        _ = dismiss()
    }

    /// Has the thing removed and waits for it; whether that worked within the time given. The
    /// shell goes on trying afterwards.
    func dismiss(patience milliseconds: Int32 = Patience.milliseconds) -> Bool {
        outcome.withLock { outcome in
            if let outcome { return outcome }
            leash.close()
            // The shell says no more: its end of the pipe closes when it exits.
            guard cts_wait_readable(answers.raw, milliseconds) > 0 else { return false }
            answers.close()
            let clean = cts_wait(child) == 0
            outcome = clean
            return clean
        }
    }

    private static func splitAtSpace(_ line: String) -> (Substring, String) {
        let parts = line.split(separator: " ", maxSplits: 1)
        return (parts.first ?? "", parts.count > 1 ? String(parts[1]) : "")
    }
}
