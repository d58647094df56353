import CTestSupport
import Foundation

/// A running program of the package, killed at the latest when this goes away.
class ProgramProcess {
    let process: pid_t
    private let program: String
    private let errors: Descriptor
    private var exitStatus: Int32?

    /// Where the programs of the package are, as they were built next to these tests.
    static let directory: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return (own?.split(separator: "/").dropLast() ?? []).reduce("") { "\($0)/\($1)" }
    }()

    /// What the sanitizers and the runtime are told.
    private static let environment = ["ASAN_OPTIONS", "TSAN_OPTIONS", "SWIFT_BACKTRACE"]
        .compactMap { name in
            ProcessInfo.processInfo.environment[name].map { "\(name)=\($0)" }
        }

    /// Starts the program with this name, or a shell's script that does: there its path is `$0`. What it prints
    /// to its standard output is lost, unless it is to go to `output`.
    init(
        program: String, _ arguments: [String], script: String? = nil,
        input: Descriptor? = nil, output: Descriptor? = nil
    ) throws {
        let path = Self.directory + "/" + program
        self.program = program
        let pipe = try Descriptor.pipe()
        process = try ChildProcess.spawn(
            script == nil ? path : "/bin/sh",
            script.map { ["-c", $0, path] + arguments } ?? arguments,
            environment: ChildProcess.plainEnvironment + Self.environment, input: input,
            output: output, error: pipe.writing)
        pipe.writing.close()
        errors = pipe.reading
    }

    deinit {
        if exitStatus == nil {
            kill(process, SIGKILL)
            _ = cts_wait(process)
        }
    }

    /// Whether it has not ended: the other end of its standard error is open.
    var isRunning: Bool {
        var status = pollfd(fd: errors.raw, events: 0, revents: 0)
        return poll(&status, 1, 0) == 0
    }

    func signal(_ number: Int32) { kill(process, number) }

    /// Waits for its end: the exit status and what it said on its standard error.
    func end() throws -> (status: Int32, errors: String) {
        // The pipe closes when the process ends, and only then.
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            guard cts_wait_readable(errors.raw, Patience.milliseconds) > 0 else {
                throw FixtureError.failed("\(program) does not end")
            }
            let count = read(errors.raw, &buffer, buffer.count)
            if count <= 0 { break }
            text += buffer[..<count]
        }
        let status = exitStatus ?? cts_wait(process)
        exitStatus = status
        return (status, String(decoding: text, as: UTF8.self))
    }
}
