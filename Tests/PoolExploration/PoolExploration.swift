import ArgumentParser
import BlockIO
import CPoolExploration
import CommandLineSupport
import Glibc

@main
struct PoolExploration: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs small programs on the thread pool in every schedule, within bounds.",
        version: PackageVersion.current)

    enum Extent: String, ExpressibleByArgument, CaseIterable {
        case short, medium, long
    }

    @Option(help: "Which programs.")
    var extent = Extent.short

    @Flag(help: "Print the names of the programs only.")
    var list = false

    @Option(help: "Only programs whose name begins so.")
    var program: String?

    @Option(
        parsing: .unconditional,
        help: "How often in one schedule a thread that could go on makes room for another.")
    var preemptions: Int32 = 2

    @Option(parsing: .unconditional, help: "Leave a program unfinished after so many schedules.")
    var limit: UInt64 = .max

    @Option(help: "Follow one schedule of the program, as a report of a defect prints it.")
    var replay: String?

    @Flag(help: "Vary what comes after a state that has been seen as well.")
    var everything = false

    static func main() { runProgram() }

    func run() throws {
        var programs =
            switch extent {
            case .short: Program.short
            case .medium: Program.medium
            case .long: Program.long
            }
        if let program {
            programs = Program.long.filter {
                replay == nil ? $0.name.hasPrefix(program) : $0.name == program
            }
        }
        if programs.isEmpty { throw ValidationError("no program has that name") }
        if replay != nil { programs = [programs[0]] }
        if list {
            return try StandardOutput.printLine(programs.map(\.name).joined(separator: "\n"))
        }
        let file = try ScratchFile()
        let path = file.path
        defer { file.close() }
        var (schedules, points, seen, unfinished) = (UInt64(0), UInt64(0), UInt64(0), 0)
        for program in programs {
            let result = try explore(program, path)
            schedules += result.schedules
            points += result.points
            seen += result.seen
            if !result.is_complete && replay == nil { unfinished += 1 }
        }
        try StandardOutput.printLine(
            "\(programs.count) programs, \(unfinished) unfinished, \(schedules) schedules, "
                + "\(seen) cut short, \(points) points, "
                + "at most \(preemptions) preemptions: no defect"
        )
    }

    private func explore(_ program: Program, _ path: String) throws -> exploration_result {
        var settings = settings(for: program)
        exploration_describe_machine(&settings)
        let image = try BlockImage.open(
            path,
            OpenOptions(
                access: .readWrite, caching: .buffered, lock: .off, engine: .forced(.threadPool),
                inlineLimit: program.transfers == .inline ? 65536 : 0))
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: program.areLarge ? 1 << 17 : 512, alignment: 512)
        let areMade = UnsafeMutablePointer<CInt>.allocate(capacity: 1)
        currentRun.initialize(
            to: Run(
                program: program, image: image, buffer: buffer, areMade: areMade))
        defer {
            currentRun.deinitialize(count: 1)
            areMade.deallocate()
            buffer.deallocate()
        }
        let start = ContinuousClock.now
        let result = program.name.withCString { name in
            (replay ?? "").withCString { schedule in
                if replay != nil { settings.replay = schedule }
                return CPoolExploration.explore(
                    &settings, name, { runOwner() }, { inspectRun(allSleep: $0) })
            }
        }
        try StandardOutput.printLine(
            "\(program.name): \(result.schedules) schedules, \(result.seen) cut short, "
                + "at most \(result.most_points) points, \(result.most_threads) threads, "
                + "\(ContinuousClock.now - start)"
                + (result.is_complete || replay != nil ? "" : ", unfinished"))
        return result
    }

    private func settings(for program: Program) -> exploration_settings {
        var settings = exploration_settings()
        settings.preemptions = preemptions
        settings.early_timeouts = CInt(program.earlyTimeouts)
        settings.signals = CInt(program.signals)
        settings.refusals = CInt(program.refusals)
        settings.processors = CInt(program.processors)
        settings.is_in_memory = program.transfers == .copies || program.transfers == .inline
        for request in program.stuck {
            settings.stuck_requests |= 1 << UInt32(Run.slot(request, round: program.rounds - 1))
        }
        settings.unlocks_are_points = program.other != .nothing
        settings.omits_seen_states = !everything
        settings.schedule_limit = limit
        return settings
    }
}

/// A file of a megabyte without a name, which lasts as long as the process.
private struct ScratchFile {
    private let descriptor: CInt

    init() throws {
        var name = Array("/dev/shm/pool-exploration-XXXXXX".utf8CString)
        descriptor = mkstemp(&name)
        unlink(name)
        guard descriptor >= 0, ftruncate(descriptor, 1 << 20) == 0 else {
            throw ValidationError("no file in /dev/shm: \(String(cString: strerror(errno)))")
        }
    }

    var path: String { "/proc/self/fd/\(descriptor)" }

    func close() { Glibc.close(descriptor) }
}
