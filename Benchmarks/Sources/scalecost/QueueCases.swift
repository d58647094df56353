import BenchSupport
import BlockIO
import CHeap
import Glibc

extension ScaleCase {
    static let queueCases = [
        ScaleCase(
            name: "sub-block-pairs", summary: "partial writes, two in each of n/2 blocks"
        ) { n, image in
            try withBench(image, blocks: n) { bench in
                for index in 0..<n {
                    bench.write(100, at: index % max(n / 2, 1), offset: 100 * (index & 1))
                }
            }
        },
        ScaleCase(
            name: "sub-block-same", summary: "partial writes in one block"
        ) { n, image in
            try withBench(image, blocks: 1) { bench in
                for index in 0..<n { bench.write(10, at: 0, offset: index % 500) }
            }
        },
        ScaleCase(
            name: "aligned-behind-sub-block", summary: "aligned writes after one partial write"
        ) { n, image in
            try withBench(image, blocks: n + 1) { bench in
                bench.write(100, at: 0, offset: 1)
                for index in 1...n { bench.write(Bench.block, at: index) }
            }
        },
        ScaleCase(
            name: "wide-over-sub-block",
            summary: "partial writes in a block each, and writes of 32 blocks over them"
        ) { n, image in
            try withBench(image, blocks: n + 32) { bench in
                for index in 0..<n { bench.write(100, at: index, offset: 1) }
                for index in 0..<n { bench.write(32 * Bench.block, at: index) }
            }
        },
        ScaleCase(
            name: "wide-over-the-same",
            summary: "writes of 64 blocks over 64 partial writes"
        ) { n, image in
            try withBench(image, blocks: 64) { bench in
                for index in 0..<64 { bench.write(100, at: index, offset: 1) }
                for _ in 0..<n { bench.write(64 * Bench.block, at: 0) }
            }
        },
        ScaleCase(
            name: "reads-over-sub-block", summary: "partial writes, and a read of each block"
        ) { n, image in
            try withBench(image, blocks: n) { bench in
                for index in 0..<n { bench.write(100, at: index, offset: 1) }
                for index in 0..<n { bench.read(at: index) }
            }
        },
        ScaleCase(
            name: "discards-behind-sub-block",
            summary: "discards of half a sector behind one partial write; on a device"
        ) { n, image in
            try withBench(image, blocks: 8, alignment: nil) { bench in
                bench.write(100, at: 0, offset: 1)
                for _ in 0..<n { bench.discard(512, at: 0) }
            }
        },
        ScaleCase(name: "cancel-queued", summary: "reads that wait in the queue, cancelled") {
            n, image in
            try withBench(image, blocks: 1, depth: 1, mayBeCancelled: true) { bench in
                let requests = (0..<n).map { _ in bench.read(at: 0) }
                for request in requests { bench.queue.cancel(request) }
            }
        },
        ScaleCase(
            name: "cancel-queued-backwards", summary: "the same, the last one first"
        ) { n, image in
            try withBench(image, blocks: 1, depth: 1, mayBeCancelled: true) { bench in
                let requests = (0..<n).map { _ in bench.read(at: 0) }
                for request in requests.reversed() { bench.queue.cancel(request) }
            }
        },
        ScaleCase(
            name: "cancel-blocked", summary: "partial writes that wait for each other, cancelled"
        ) { n, image in
            try withBench(image, blocks: 1, mayBeCancelled: true) { bench in
                let requests = (0..<n).map { _ in bench.write(100, at: 0, offset: 1) }
                for request in requests { bench.queue.cancel(request) }
            }
        },
        ScaleCase(
            name: "remote-cancel", summary: "reads that wait in the queue, cancelled from outside"
        ) { n, image in
            try withBench(image, blocks: 1, depth: 1, mayBeCancelled: true) { bench in
                let remote = bench.queue.remote
                let requests = (0..<n).map { _ in bench.read(at: 0) }
                for request in requests { remote.cancel(request) }
            }
        },
        ScaleCase(name: "flushes", summary: "flushes") { n, image in
            try withBench(image, blocks: 1, depth: 4) { bench in
                for _ in 0..<n { bench.flush() }
            }
        },
        ScaleCase(name: "writes-and-flushes", summary: "a write and a flush, in turns") {
            n, image in
            try withBench(image, blocks: n, depth: 4) { bench in
                for index in 0..<n {
                    bench.write(Bench.block, at: index)
                    bench.flush()
                }
            }
        },
        ScaleCase(name: "resizes", summary: "a write and a change of size, in turns") { n, image in
            try withBench(image, blocks: 1) { bench in
                for index in 0..<n {
                    bench.write(Bench.block, at: 0)
                    bench.resize(blocks: 1 + index % 3)
                }
            }
        },
        ScaleCase(name: "queued", summary: "reads that wait in the queue") { n, image in
            try withBench(image, blocks: 1) { bench in
                for _ in 0..<n { bench.read(at: 0) }
            }
        },
        ScaleCase(
            name: "blocked-by-another-queue",
            summary: "partial writes that wait for one of another queue in the same block"
        ) { n, image in
            try withPair(image, block: 1024) { first, second in
                first.write(100, at: 0, offset: 1)
                second.queue.batch { for _ in 0..<n { second.write(100, at: 0, offset: 1) } }
            }
        },
        ScaleCase(
            name: "cancel-behind-another-queue", summary: "the same, cancelled"
        ) { n, image in
            try withPair(image, block: 1024) { first, second in
                first.write(100, at: 0, offset: 1)
                let requests = second.queue.batch {
                    (0..<n).map { _ in second.write(100, at: 0, offset: 1) }
                }
                for request in requests { second.queue.cancel(request) }
            }
        },
        ScaleCase(
            name: "held-back-by-another-queue",
            summary: "writes that a change of size in another queue holds back"
        ) { n, image in
            try withPair(image, block: Bench.block) { first, second in
                second.write(Bench.block, at: 0)
                first.resize(blocks: 3)
                second.queue.batch { for _ in 0..<n { second.write(Bench.block, at: 0) } }
                // The change of size waits for the first write.
                second.queue.poll()
            }
        },
        ScaleCase(
            name: "memory-given-back",
            summary: "reads that wait in the queue; memory that is kept afterwards is an error"
        ) { n, image in
            let bench = try Bench(image, blocks: 1, alignment: Bench.alignment, depth: 128)
            for _ in 0..<128 { bench.read(at: 0) }
            bench.queue.drain()
            let before = MemoryInUse.now
            bench.queue.batch { for _ in 0..<n { bench.read(at: 0) } }
            let most = MemoryInUse.now
            bench.queue.drain()
            let after = MemoryInUse.now
            try StandardOutput.printLine(
                "\(n) requests: \(most.allocated - before.allocated) bytes allocated and "
                    + "\(most.resident - before.resident) resident, afterwards "
                    + "\(after.allocated - before.allocated) and "
                    + "\(after.resident - before.resident)")
            let limit = 1 << 20
            try require(
                after.allocated - before.allocated <= limit
                    && after.resident - before.resident <= 4 * limit, "memory is kept")
        },
    ]

    /// Runs `body`, which makes requests in one batch, and waits for all of them.
    private static func withBench(
        _ image: ImageOptions, blocks: Int, alignment: HostAlignment? = Bench.alignment,
        depth: Int = 128, mayBeCancelled: Bool = false, _ body: (Bench) -> Void
    ) throws {
        let bench = try Bench(image, blocks: blocks, alignment: alignment, depth: depth)
        var failures = 0
        measured {
            bench.queue.batch { body(bench) }
            bench.queue.drain { completion in
                let isRight =
                    completion.isSuccess || (mayBeCancelled && completion.failure == .cancelled)
                if !isRight { failures += 1 }
            }
        }
        bench.queue.close()
        try require(failures == 0, "\(failures) requests failed")
    }

    /// Runs `body`, which makes requests in two queues of an image of 1024 bytes. The queues share their writes if
    /// a block is larger than a sector. The first queue is waited for first.
    private static func withPair(
        _ image: ImageOptions, block: Int, _ body: (_ first: Bench, _ second: Bench) -> Void
    ) throws {
        let first = try Bench(
            image, blocks: 2, alignment: HostAlignment(memory: 512, offset: block), depth: 128,
            queueLimit: 2)
        let second = try Bench(first.queue.image, depth: 128)
        var failures = 0
        measured {
            body(first, second)
            for bench in [first, second] {
                bench.queue.drain { completion in
                    if !completion.isSuccess && completion.failure != .cancelled { failures += 1 }
                }
            }
        }
        first.queue.close()
        second.queue.close()
        try require(failures == 0, "\(failures) requests failed")
    }
}

/// A queue on an image of blocks of 512 bytes, and a buffer that all requests share.
private final class Bench {
    static let block = 512
    static let alignment = HostAlignment(memory: block, offset: block)

    let queue: BlockQueue
    private let memory: UnsafeMutableRawBufferPointer

    convenience init(
        _ options: ImageOptions, blocks: Int, alignment: HostAlignment?, depth: Int,
        queueLimit: Int = 1
    ) throws {
        // Not a device's.
        if alignment != nil,
            options.path.withCString({ truncate($0, off_t(blocks * Self.block)) }) != 0
        {
            throw WrongResult(description: "\(options.path): \(String(cString: strerror(errno)))")
        }
        let image = try BlockImage.open(
            pathname: options.path,
            OpenOptions(
                access: .readWrite, engine: .forced(options.engine), queueLimit: queueLimit,
                alignment: alignment))
        try self.init(image, depth: depth)
    }

    init(_ image: BlockImage, depth: Int) throws {
        memory = .allocate(byteCount: 64 * Self.block, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        queue = try BlockQueue(image, QueueOptions(depth: depth))
    }

    deinit { memory.deallocate() }

    @discardableResult
    func write(_ count: Int, at block: Int, offset: Int = 0) -> RequestID {
        queue.write(
            from: UnsafeRawBufferPointer(rebasing: memory[..<count]),
            at: UInt64(block * Self.block + offset))
    }

    @discardableResult
    func read(at block: Int) -> RequestID {
        queue.read(
            into: UnsafeMutableRawBufferPointer(rebasing: memory[..<Self.block]),
            at: UInt64(block * Self.block))
    }

    func discard(_ count: Int, at block: Int) {
        queue.discard(at: UInt64(block * Self.block), length: UInt64(count))
    }

    func flush() { queue.flush() }

    func resize(blocks: Int) { queue.resize(to: UInt64(blocks * Self.block)) }
}

/// What this process has of memory, in bytes.
private struct MemoryInUse {
    let allocated: Int
    let resident: Int

    static var now: MemoryInUse {
        let allocated = cheap_bytes_in_use()
        var resident = 0
        if let file = fopen("/proc/self/statm", "re") {
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 256)
            if fgets(&line, CInt(line.count), file) != nil {
                let text = String(decoding: line.map(UInt8.init(bitPattern:)), as: UTF8.self)
                let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                resident = (pages ?? 0) * Int(getpagesize())
            }
        }
        return MemoryInUse(allocated: Int(allocated), resident: resident)
    }
}
