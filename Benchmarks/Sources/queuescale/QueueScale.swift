import ArgumentParser
import BenchSupport
import BlockIO
import Glibc

/// Compares numbers of queues of one image, each with a thread of its own.
@main
struct QueueScale: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queuescale",
        abstract: "Measures what several queues of one image move together.",
        discussion: """
            Each queue has a thread of its own, which keeps the same number of requests under way \
            at random places. The numbers of queues take turns in each round. Prints the median of \
            the requests a second, and its ratio to the first number of queues; or, as JSON, the \
            requests a second and the processor time of a request in each round.
            """,
        version: PackageVersion.current)

    @Argument(help: "A file or device that is written to, if writes are asked for.") var path:
        String
    @Option(help: "io_uring, libaio, threads or auto.") var engine = "auto"
    @Option(help: "Numbers of queues, separated by commas.") var queues = "1,2"
    @Option(help: "Requests under way in each queue.") var depth = 32
    @Option(help: "Bytes of a request.") var blockSize = 4096
    @Option(help: "Seconds of a turn.") var seconds = 1.0
    @Option(help: "Turns of each number of queues.") var rounds = 7
    @Flag(help: "Write instead of reading.") var write = false
    @Flag(
        help:
            "Have the queues share their writes, as where blocks are larger than sectors."
    )
    var share = false
    @Option(help: "text or json.") var format = "text"

    mutating func validate() throws {
        guard EngineKind(rawValue: engine) != nil || engine == "auto" else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads, auto")
        }
        guard ["text", "json"].contains(format) else {
            throw ValidationError("'\(format)' is neither text nor json")
        }
        guard !numbers.isEmpty, numbers.allSatisfy({ (1...256).contains($0) }),
            numbers.count == queues.split(separator: ",").count
        else { throw ValidationError("'\(queues)' is not a list of numbers from 1 to 256") }
        guard (1...4096).contains(depth), blockSize > 0, blockSize % 4096 == 0, seconds > 0,
            rounds > 0
        else {
            throw ValidationError(
                "the depth is from 1 to 4096, a block a multiple of 4096 bytes, and the rest is above 0"
            )
        }
    }

    private var numbers: [Int] { queues.split(separator: ",").compactMap { Int($0) } }

    static func main() { runProgram() }

    func run() throws {
        let numbers = numbers
        var results = numbers.map { _ in [QueueRate]() }
        for round in 0..<rounds {
            for place in numbers.indices {
                let index = (place + round) % numbers.count
                results[index].append(try turn(queues: numbers[index]))
            }
        }
        if format == "json" {
            let result = QueueScaleResult(
                engine: engine, pattern: write ? "randwrite" : "randread", blockSize: blockSize,
                depth: depth, sharesWrites: share,
                runs: zip(numbers, results).map { .init(queues: $0, $1) })
            return try StandardOutput.printLine(jsonText(result))
        }
        let medians = results.map { $0.map(\.requestsPerSecond).sorted()[$0.count / 2] }
        for (number, median) in zip(numbers, medians) {
            let ratio = Int((median / medians[0] * 100).rounded())
            try StandardOutput.printLine(
                "\(number) queues: \(Int(median)) requests a second, "
                    + "\(ratio / 100).\(ratio % 100 < 10 ? "0" : "")\(ratio % 100) of \(numbers[0])"
            )
        }
    }

    private func turn(queues: Int) throws -> QueueRate {
        var options = OpenOptions(access: write ? .readWrite : .readOnly, queueLimit: queues)
        if let kind = EngineKind(rawValue: engine) { options.engine = .forced(kind) }
        // Where sectors are as large as blocks, the queues share nothing.
        options.alignment = HostAlignment(memory: 4096, offset: 4096)
        options.logicalBlockSize = share ? 512 : 4096
        let work = Work(
            image: try open(options), depth: depth, blockSize: blockSize, writes: write,
            nanoseconds: UInt64(seconds * 1e9))
        return try work.measure(queues: queues)
    }

    /// Opens the image. What the turn before has opened is given up some time after its end: by its threads, and by
    /// the kernel, which closes a ring and the files of the ring later.
    private func open(_ options: OpenOptions) throws(BlockError) -> BlockImage {
        let pathname = Pathname(bytes: RawArguments.bytes(of: path))
        var tries = 0
        while true {
            do throws(BlockError) {
                return try BlockImage.open(pathname: pathname, options)
            } catch {
                tries += 1
                let mayPass = error.code == .deviceBusy || error.code == .locked
                guard mayPass && tries < 100 else { throw error }
            }
            usleep(50_000)
        }
    }
}
