import ArgumentParser
import BenchSupport
import BlockIO

/// Does a number of READ DMA commands through the whole public path, and nothing else: for counting
/// what one costs, by the difference between two numbers. From the start of the bus master to the
/// interrupt it is ``Guest/transfer()`` that runs, so that a profiler can count that alone.
@main
struct IDECost: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idecost", version: PackageVersion.current)

    @Argument(help: "A file or device of at least 128 KiB.") var path: String
    @Argument(help: "io_uring, libaio or threads.") var engine: String
    @Argument(help: "Commands.") var commands: Int

    mutating func validate() throws {
        guard EngineKind(rawValue: engine) != nil else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads")
        }
        guard commands > 0 else { throw ValidationError("there is at least one command") }
    }

    static func main() { runProgram() }

    func run() throws {
        guard let kind = EngineKind(rawValue: engine) else { return }
        let guest = try Guest(Pathname(bytes: RawArguments.bytes(of: path)), kind)
        // Not the argument parser's, whose accessors would be counted.
        let commands = commands
        for _ in 0..<commands {
            guest.giveCommand()
            guest.transfer()
            guest.endCommand()
        }
        guard guest.interrupts == commands, guest.failures == 0 else {
            throw ValidationError("\(guest.interrupts) interrupts, \(guest.failures) failures")
        }
    }
}
