import ArgumentParser
import BenchFacts
import BenchSupport
import BlockIO
import Glibc

/// Random reads by a caller that sleeps in epoll_wait(2), as an emulator's I/O thread does: on each wake-up
/// it takes what has completed and starts as many new reads. The counterpart of the C programs in
/// Benchmarks/compare, with the same arguments and the same output.
@main
struct EventLoop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eventloop",
        abstract: "Reads at random places, and sleeps in epoll_wait(2) for the completions.",
        discussion: """
            It prints JSON: engine, requests, iops, cpu_ns_per_io of the whole process, and wakeups, \
            the calls of epoll_wait that have returned.
            """,
        version: PackageVersion.current)

    @Argument(help: "io_uring, libaio, threads or auto.") var engine: String
    @Argument(help: "owned or shared.") var threading: String
    @Argument(help: "A file or device.") var path: String
    @Argument(help: "Bytes of a read, a multiple of 512.") var blockSize: Int
    @Argument(help: "Reads in flight, 1 to 4096.") var depth: Int
    @Option(parsing: .unconditional, help: "How long to read. (default: 1)") var seconds: Double?
    @Option(
        parsing: .unconditional,
        help: "Reads to do instead, for a counter of system calls to look at.")
    var count: Int?
    @Option(parsing: .unconditional, help: "First byte of the part that is read.")
    var offset: UInt64 = 0
    @Option(parsing: .unconditional, help: "Bytes of that part. (default: up to the end)")
    var range: UInt64?

    mutating func validate() throws {
        guard EngineKind(rawValue: engine) != nil || engine == "auto" else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads, auto")
        }
        guard ["owned", "shared"].contains(threading) else {
            throw ValidationError("'\(threading)' is neither owned nor shared")
        }
        guard blockSize >= 512, blockSize <= 1 << 30, blockSize % 512 == 0,
            (1...4096).contains(depth)
        else {
            throw ValidationError("a read has a multiple of 512 bytes, and 1 to 4096 are in flight")
        }
        guard seconds == nil || count == nil, seconds ?? 1 > 0, count ?? 1 > 0 else {
            throw ValidationError("--seconds or --count is more than 0, and not both are given")
        }
    }

    static func main() { runProgram() }

    func run() throws {
        var options = OpenOptions()
        if let kind = EngineKind(rawValue: engine) { options.engine = .forced(kind) }
        let image = try BlockImage.open(
            pathname: Pathname(bytes: RawArguments.bytes(of: path)), options)
        let range = try TargetRange(
            offset: offset, length: range, size: image.fileSize, alignment: image.alignment.offset)
        guard range.length >= UInt64(blockSize) else {
            throw ValidationError("the target has less than \(blockSize) bytes")
        }
        let queue = try BlockQueue(
            image,
            QueueOptions(threading: threading == "owned" ? .owned : .shared, depth: depth))
        let caller = try SleepingCaller(
            queue: queue, range: range, blockSize: blockSize, depth: depth,
            limit: count.map { .count(UInt64($0)) } ?? .seconds(seconds ?? 1))
        let processorStart = ProcessorTime.nanoseconds
        let outcome = try caller.run()
        let requests = Double(outcome.requests)
        try StandardOutput.printLine(
            try jsonText(
                EventLoopResult(
                    engine: image.engine.rawValue, requests: outcome.requests,
                    rate: requests / outcome.seconds,
                    processorTime: Double(ProcessorTime.nanoseconds - processorStart) / requests,
                    wakeUps: outcome.wakeUps)))
    }
}
