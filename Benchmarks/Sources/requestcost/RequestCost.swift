import ArgumentParser
import BenchSupport
import BlockIO
import Glibc

/// Does a number of aligned reads through the whole public path, and nothing else: for counting what
/// one costs, by the difference between two numbers.
@main
struct RequestCost: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "requestcost",
        abstract: "Reads in batches, for an instruction or system call counter to look at.",
        version: PackageVersion.current)

    @Argument(help: "A file or device of at least 1 MiB.") var path: String
    @Argument(help: "io_uring, libaio, threads or auto.") var engine: String
    @Argument(help: "Requests in one batch.") var depth: Int
    @Argument(help: "Batches.") var batches: Int
    @Option(
        parsing: .unconditional,
        help: "Pieces of each request, of 4 KiB or, when they are many, less.")
    var vectors = 1
    @Flag(help: "Wait in poll(2) on the queue's descriptor, as an event loop does.")
    var eventLoop = false
    @Flag(
        help:
            "Open the image for writing by up to two queues, and wait in one that has a descriptor."
    )
    var severalQueues = false

    mutating func validate() throws {
        guard EngineKind(rawValue: engine) != nil || engine == "auto" else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads, auto")
        }
        guard (1...256).contains(depth), batches > 0, (1...1024).contains(vectors) else {
            throw ValidationError(
                "a batch has 1 to 256 requests of 1 to 1024 pieces, and there is at least one")
        }
    }

    static func main() { runProgram() }

    func run() throws {
        var options = OpenOptions()
        if severalQueues {
            options.access = .readWrite
            options.queueLimit = 2
        }
        if let kind = EngineKind(rawValue: engine) { options.engine = .forced(kind) }
        // Not the argument parser's, whose accessors would be counted.
        let (depth, batches, vectors, isEventDriven) = (depth, batches, vectors, eventLoop)
        let hasDescriptor = eventLoop || severalQueues
        let image = try BlockImage.open(
            pathname: Pathname(bytes: RawArguments.bytes(of: path)), options)
        let queue = try BlockQueue(image, QueueOptions(depth: depth, hasDescriptor: hasDescriptor))
        let piece = min(4096, (1 << 20) / vectors)
        let lists = ReadLists(requests: depth, vectors: vectors, piece: piece)
        var bytes: UInt64 = 0
        for _ in 0..<batches {
            var left = depth
            queue.batch {
                for index in 0..<depth { queue.readv(lists[index], at: lists.offset(index)) }
                if !isEventDriven {
                    left -= queue.poll(minimum: depth) { bytes += $0.transferred }
                }
            }
            while left > 0 {
                var entry = pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0)
                Glibc.poll(&entry, 1, -1)
                left -= queue.poll { bytes += $0.transferred }
            }
        }
        guard bytes == UInt64(piece * vectors * depth * batches) else {
            throw ValidationError("only \(bytes) bytes were read")
        }
    }
}

/// The lists of a batch: pieces of one buffer each, that lie apart so that none can be joined.
private struct ReadLists {
    private let vectors: Int
    private let length: Int
    private let lists: UnsafeMutablePointer<iovec>

    init(requests: Int, vectors: Int, piece: Int) {
        self.vectors = vectors
        length = vectors * piece
        lists = .allocate(capacity: requests * vectors)
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: 2 * piece * vectors, alignment: 4096)
        for index in 0..<requests * vectors {
            let place = memory + 2 * piece * (index % vectors)
            (lists + index).initialize(to: iovec(iov_base: place, iov_len: piece))
        }
    }

    subscript(index: Int) -> UnsafeBufferPointer<iovec> {
        UnsafeBufferPointer(start: lists + index * vectors, count: vectors)
    }

    /// In the first MiB.
    func offset(_ index: Int) -> UInt64 { UInt64(index * length % (1 << 20)) }
}
