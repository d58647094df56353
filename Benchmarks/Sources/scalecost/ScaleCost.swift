import ArgumentParser
import BenchSupport
import BlockIO

/// Does `n` things of one kind through the public interface, for an instruction counter to look at: four
/// times as many may cost little more than four times as much. What is to be counted runs in
/// ``measured(_:)``.
@main
struct ScaleCost: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scalecost",
        abstract: "Repeats one kind of work n times, to count how its cost grows.",
        version: PackageVersion.current)

    @Argument(help: "Which kind: see --list.") var name = ""
    @Argument(help: "How often.") var n = 1
    @Option(help: "A file on tmpfs, or a device with sectors of 4 KiB for cases that need one.")
    var image = ""
    @Option(help: "io_uring, libaio or threads.") var engine = "libaio"
    @Flag(help: "Print the names of all cases and what each repeats.") var list = false

    mutating func validate() throws {
        if list { return }
        guard ScaleCase.all.contains(where: { $0.name == name }) else {
            throw ValidationError("'\(name)' is not a case: see --list")
        }
        guard (1...10_000_000).contains(n) else {
            throw ValidationError("\(n) is not from 1 to 10000000")
        }
        guard EngineKind(rawValue: engine) != nil else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads")
        }
    }

    static func main() { runProgram() }

    func run() throws {
        if list {
            for entry in ScaleCase.all {
                try StandardOutput.printLine("\(entry.name): \(entry.summary)")
            }
            return
        }
        guard let entry = ScaleCase.all.first(where: { $0.name == name }),
            let kind = EngineKind(rawValue: engine)
        else { return }
        try entry.run(
            n,
            ImageOptions(
                path: Pathname(bytes: RawArguments.bytes(of: image)), engine: kind))
    }
}

/// A kind of work.
struct ScaleCase: Sendable {
    let name: String
    /// What is done n times.
    let summary: String
    let run: @Sendable (_ n: Int, _ image: ImageOptions) throws -> Void

    static let all = queueCases + guestMemoryCases
}

/// The image of cases that need one.
struct ImageOptions {
    let path: Pathname
    let engine: EngineKind
}

/// What a case is to be judged by. The only function that is counted.
@inline(never)
func measured(_ body: () throws -> Void) rethrows { try body() }

/// The work did not end as it should have.
struct WrongResult: Error, CustomStringConvertible {
    let description: String
}

func require(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    if !condition { throw WrongResult(description: what()) }
}
