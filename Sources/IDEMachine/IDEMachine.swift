import ArgumentParser
import Glibc

/// `ide-machine`: a machine without a processor, for tests that play the processor.
///
/// The exit status is 2 when the command line is wrong, 1 when something failed, else 0.
@main
struct IDEMachine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ide-machine",
        abstract: "A PC's IDE function with guest memory and no CPU, driven by QEMU's qtest.")

    @OptionGroup var options: MachineOptions

    @Option(
        help: ArgumentHelp(
            "Connect to this listening socket and take qtest commands.", valueName: "unix:PATH"),
        transform: SocketPath.init(parsing:))
    var qtest: SocketPath

    @Option(
        help: ArgumentHelp(
            "Connect to this listening socket and take QMP commands.", valueName: "unix:PATH"),
        transform: SocketPath.init(parsing:))
    var qmp: SocketPath?

    mutating func run() throws {
        let termination = try TerminationSignal()
        let machine = try Machine(options)
        let face = try QtestFace(machine, qtest: qtest, qmp: qmp)
        try face.run(until: termination)
    }

    static func main() {
        // A peer that vanishes is an error of write(2), not a signal.
        signal(SIGPIPE, SIG_IGN)
        var command: IDEMachine
        do {
            command = try parse()
        } catch {
            let isHelp = exitCode(for: error).isSuccess
            end(isHelp ? 0 : 2, fullMessage(for: error), isHelp ? STDOUT_FILENO : STDERR_FILENO)
        }
        do {
            try command.run()
        } catch {
            end(1, "ide-machine: \(error)", STDERR_FILENO)
        }
    }

    private static func end(_ status: CInt, _ message: String, _ descriptor: CInt) -> Never {
        let line = Array((message + "\n").utf8)
        _ = write(descriptor, line, line.count)
        Glibc.exit(status)
    }
}
