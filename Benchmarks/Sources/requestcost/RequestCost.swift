import ArgumentParser
import BlockIO
import Glibc

/// Does a number of aligned 4 KiB reads through the whole public path, and nothing else: for counting
/// what one costs, by the difference between two numbers.
@main
struct RequestCost: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "requestcost")

    @Argument(help: "A file or device of at least 1 MiB.") var path: String
    @Argument(help: "io_uring, libaio or threads.") var engine: String
    @Argument(help: "Requests in one batch.") var depth: Int
    @Argument(help: "Batches.") var batches: Int

    mutating func validate() throws {
        guard EngineKind(rawValue: engine) != nil else {
            throw ValidationError("'\(engine)' is none of io_uring, libaio, threads")
        }
        guard (1...256).contains(depth), batches > 0 else {
            throw ValidationError("a batch has 1 to 256 requests, and there is at least one")
        }
    }

    func run() throws {
        var options = OpenOptions()
        if let kind = EngineKind(rawValue: engine) { options.engine = .forced(kind) }
        // Not the argument parser's, whose accessors would be counted.
        let (depth, batches) = (depth, batches)
        let queue = try BlockQueue(
            try BlockImage.open(path, options), QueueOptions(depth: depth, hasDescriptor: false))
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: 4096 * depth, alignment: 4096)
        let lists = UnsafeMutablePointer<iovec>.allocate(capacity: depth)
        defer {
            lists.deallocate()
            memory.deallocate()
        }
        for index in 0..<depth {
            (lists + index).initialize(
                to: iovec(iov_base: memory.baseAddress! + 4096 * index, iov_len: 4096))
        }
        var bytes: UInt64 = 0
        for _ in 0..<batches {
            queue.batch {
                for index in 0..<depth {
                    queue.readv(
                        UnsafeBufferPointer(start: lists + index, count: 1),
                        at: UInt64(4096 * index))
                }
                queue.poll(minimum: depth) { bytes += $0.transferred }
            }
        }
        guard bytes == UInt64(4096 * depth * batches) else {
            throw ValidationError("only \(bytes) bytes were read")
        }
    }
}
