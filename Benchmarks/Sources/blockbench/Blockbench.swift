import ArgumentParser
import BenchSupport
import BlockIO

/// `blockbench`: compares the engines of BlockIO, and four baselines, at the same work.
@main
struct Blockbench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blockbench",
        abstract: "Compares I/O engines at the same work, side by side.",
        discussion: """
            Without a target it makes a temporary file of its own, in the current directory or in \
            TMPDIR. Options that take LIST do every combination.

            A request of --block-size bytes is cut into --vectors equal pieces in separate memory. \
            Every engine moves it as one list. The baselines emulate the list. scalar, serial and \
            bounce use the engine that auto takes: scalar makes one request for each piece, all at \
            once; serial makes them one after the other; bounce makes one request with one buffer, \
            and copies. lio_listio gives each piece to POSIX AIO.

            --offset and --range select a part of each target, and nothing outside it is read or \
            written, except by the probe of auto, which reads.

            The report shows what the kernel says of the target's device: model, scheduler, \
            nr_requests, write cache, and sizes of blocks. For a file it is the device of its file \
            system.

            In each of the --rounds every engine has a turn, another one first; --seconds is the \
            measured time of an engine at one combination, all its turns together. A fifth of a \
            turn's time, half a second at most, precedes it as warm-up. IOPS are the median, the \
            lowest and the highest round; CPU is that of the whole process.

            --verify writes the first GiB of the range full of blocks that carry their address and \
            generation, checks each when it is read, reads each before it is written over, and \
            reads all of them after each turn. The reads that it adds count as requests.

            Exit status: 0; 1 after errors or mismatches, or when nothing could run; 64 for wrong \
            usage; 129, 130 or 143 after SIGHUP, SIGINT or SIGTERM, with what was measured so far \
            printed. When nobody reads standard output any more, the run ends with 1.
            """,
        version: PackageVersion.current)

    @Argument(help: "Files or block devices.")
    var targets: [String] = []

    @Option(
        parsing: .unconditional,
        help: .init(
            "Of io_uring, libaio, threads, auto. (default: all)", valueName: "list"),
        transform: { try Arguments.list($0, Arguments.engine) })
    var engine: [Contender] =
        EngineKind.allCases.map { .engine(.forced($0)) } + [.engine(.auto)]

    @Option(
        parsing: .unconditional,
        help: .init("Of scalar, serial, bounce, lio_listio. (default: none)", valueName: "list"),
        transform: { try Arguments.list($0, Arguments.baseline) })
    var baseline: [Contender] = []

    @Option(
        parsing: .unconditional,
        help: .init(
            "Of randread, randwrite, randrw, seqread, seqwrite, readwrite. (default: randread)",
            valueName: "list"),
        transform: { try Arguments.list($0, Arguments.pattern) })
    var pattern: [Pattern] = [.randread]

    @Option(
        parsing: .unconditional,
        help: .init("Bytes of a request, such as 4k or 1m. (default: 4k)", valueName: "list"),
        transform: { try Arguments.list($0, Arguments.blockSize) })
    var blockSize: [Int] = [4096]

    @Option(
        parsing: .unconditional,
        help: .init("Requests in flight. (default: 1,32)", valueName: "list"),
        transform: { try Arguments.list($0, Arguments.depth) })
    var depth: [Int] = [1, 32]

    @Option(
        parsing: .unconditional,
        help: .init("Pieces of a request. (default: 1)", valueName: "list"),
        transform: { try Arguments.list($0, Arguments.vectors) })
    var vectors: [Int] = [1]

    @Option(
        parsing: .unconditional,
        help: .init(
            "First byte of the part of each target that is measured. (default: 0)",
            valueName: "bytes"),
        transform: Arguments.bytes)
    var offset: UInt64 = 0

    @Option(
        parsing: .unconditional,
        help: .init(
            "Bytes of that part, such as 16g. (default: up to the end)", valueName: "bytes"),
        transform: Arguments.range)
    var range: UInt64?

    @Option(
        parsing: .unconditional,
        help: .init("Past the page cache, or through it. (default: on)", valueName: "on|off"),
        transform: Arguments.direct)
    var direct = true

    @Option(
        parsing: .unconditional,
        help: .init("Measured time of each row. (default: 1.5)", valueName: "seconds"),
        transform: Arguments.seconds)
    var seconds = 1.5

    @Option(
        parsing: .unconditional,
        help: .init("Turns that each engine has. (default: 3)", valueName: "count"),
        transform: Arguments.rounds)
    var rounds = 3

    @Option(help: .init("For people or for programs.", valueName: "table|json"))
    var format = Format.table

    @Flag(help: "Permits writing to a target. A mounted device is never written to.")
    var allowWrite = false

    @Flag(help: "Checks what is read.")
    var verify = false

    @Flag(help: "Only says which engine auto takes for each target, and why.")
    var explain = false

    /// Of the report on standard output.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    mutating func validate() throws {
        if targets.isEmpty && (offset != 0 || range != nil) {
            throw ValidationError("--offset and --range need a target that is named")
        }
    }

    static func main() { runProgram() }

    func run() throws {
        Interrupt.install()
        let console = Console()
        let plan = Plan(
            contenders: engine + baseline, patterns: pattern, blockSizes: blockSize,
            depths: depth, vectors: vectors, caching: direct ? .direct : .buffered,
            seconds: seconds, rounds: rounds, verifies: verify)
        let paths = try Target.distinct(
            targets.map { Pathname(bytes: RawArguments.bytes(of: $0)) }, note: console.note)
        if plan.writes && !explain {
            for path in paths { try Target.admitWriting(to: path, allowed: allowWrite) }
        }
        guard paths.isEmpty else {
            return try run(plan, paths.map { ($0, $0.description) }, console)
        }
        let file = try temporaryFile(for: plan, console)
        try withExtendedLifetime(file) {
            try run(plan, [(Pathname(file.path), "temporary file in \(file.directory)")], console)
        }
    }

    /// Large enough for random places to differ.
    private func temporaryFile(for plan: Plan, _ console: Console) throws -> TemporaryFile {
        let largest = plan.blockSizes.reduce(0, max)
        let file = try TemporaryFile.make(size: max(256 << 20, 64 * largest), caching: plan.caching)
        if !explain {
            try file.fill { share in
                console.showProgress(0, "filling the temporary file: \(Int(share * 100)) %")
            }
        }
        return file
    }

    private func run(
        _ plan: Plan, _ paths: [(path: Pathname, name: String)], _ console: Console
    ) throws {
        if explain { return try printExplanations(plan, paths) }
        let targets = try paths.map {
            try Target(
                path: $0.path, name: $0.name, caching: plan.caching, offset: offset,
                length: range)
        }
        if format == .table {
            // At once: `| head -1` shows that nobody reads the rest before it is measured.
            try StandardOutput.printLine(ReportTable.head(targets: targets, caching: plan.caching))
        }
        let session = Session(plan: plan, targetCount: targets.count, console: console)
        for target in targets where !Interrupt.isPending { session.measure(target) }
        console.clearBar()
        if Interrupt.isOutputClosed {
            throw Failure("nobody reads standard output any more, so the run was ended")
        }
        try printReport(targets, session)
        if let status = status(session, console) { throw ExitCode(status) }
    }

    private func printExplanations(
        _ plan: Plan, _ paths: [(path: Pathname, name: String)]
    ) throws {
        let explanations = try paths.map {
            try Explanation(path: $0.path, name: $0.name, caching: plan.caching)
        }
        switch format {
        case .table:
            try StandardOutput.printLine(explanations.map(\.text).joined(separator: "\n"))
        case .json:
            try StandardOutput.printLine(try jsonText(ExplanationsJSON(targets: explanations)))
        }
    }

    private func printReport(_ targets: [Target], _ session: Session) throws {
        switch format {
        case .table:
            let tables = ReportTable.tables(
                targets: targets, runs: session.runs, refusals: session.refusals,
                verified: verify)
            if !tables.isEmpty { try StandardOutput.printLine(tables) }
        case .json:
            try StandardOutput.printLine(
                try jsonText(
                    ReportJSON(
                        targets: targets, runs: session.runs, refusals: session.refusals,
                        interrupted: Interrupt.isPending)))
        }
    }

    /// `nil` when all is well.
    private func status(_ session: Session, _ console: Console) -> Int32? {
        if session.runs.contains(where: \.hasFaults) {
            console.note("blockbench: there were errors or mismatches")
            return 1
        }
        if let status = Interrupt.exitStatus {
            console.note("blockbench: interrupted; the figures are of what was measured so far")
            return status
        }
        if session.runs.isEmpty {
            console.note("blockbench: nothing that was asked for could run")
            return 1
        }
        return nil
    }
}
