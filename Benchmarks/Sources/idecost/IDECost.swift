import ArgumentParser
import BenchSupport
import BlockIO
import IDE

/// Does a number of READ DMA commands through the whole public path, and nothing else: for counting
/// what one costs, by the difference between two numbers. From the start of the bus master to the
/// interrupt it is ``Guest/transfer()`` that runs, so that a profiler can count that alone.
@main
struct IDECost: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idecost",
        abstract: "Reads 128 KiB with READ DMA into 32 pieces of 4 KiB, again and again.",
        discussion: """
            Without options the data goes straight into the guest's pages. --timed prints JSON: \
            commands, seconds, commands_per_second, cpu_ns_per_command of the whole process, and \
            host_requests_per_command, the requests that the kernel or the threads were given for a \
            command.
            """,
        version: PackageVersion.current)

    @Argument(help: "A file or device of at least 128 KiB.") var path: String
    @Argument(help: "io_uring, libaio or threads.") var engine: String
    @Argument(help: "Commands.") var commands: Int
    @Flag(help: "Every transfer passes through a bounce buffer.")
    var forceBounce = false
    @Option(
        parsing: .unconditional,
        help: .init(
            "The most bytes of a transfer that bounce at a time: a power of two from 512 to 1048576. "
                + "(default: 1048576)",
            valueName: "bytes"))
    var bounceLimit: Int?
    @Flag(help: "Print time, processor time and host requests of a command.")
    var timed = false

    mutating func validate() throws {
        guard EngineKind(rawValue: engine) != nil else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads")
        }
        guard commands > 0 else { throw ValidationError("there is at least one command") }
        if let limit = bounceLimit {
            guard (512...1 << 20).contains(limit), limit & (limit - 1) == 0 else {
                throw ValidationError(
                    "--bounce-limit \(limit) is not a power of two from 512 to 1048576")
            }
            guard forceBounce else {
                throw ValidationError("without --force-bounce nothing bounces here")
            }
        }
    }

    static func main() { runProgram() }

    func run() throws {
        guard let kind = EngineKind(rawValue: engine) else { return }
        let guest = try Guest(
            Pathname(bytes: RawArguments.bytes(of: path)), kind,
            IDEOptions(forceBounce: forceBounce, bounceLimit: bounceLimit))
        // Not the argument parser's, whose accessors would be counted.
        let commands = commands
        let start = MonotonicClock.nanoseconds
        let processorStart = ProcessorTime.nanoseconds
        for _ in 0..<commands {
            guest.giveCommand()
            guest.transfer()
            guest.endCommand()
        }
        guard guest.interrupts == commands, guest.failures == 0 else {
            throw ValidationError("\(guest.interrupts) interrupts, \(guest.failures) failures")
        }
        guard timed else { return }
        let count = Double(commands)
        let seconds = Double(MonotonicClock.nanoseconds - start) / 1e9
        try StandardOutput.printLine(
            try jsonText(
                CommandCost(
                    commands: commands, seconds: seconds, rate: count / seconds,
                    processorTime: Double(ProcessorTime.nanoseconds - processorStart) / count,
                    hostRequests: Double(guest.hostRequests) / count)))
    }
}
