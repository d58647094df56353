import BenchSupport
import BlockIO
import Dispatch
import Foundation
import Synchronization

/// One turn: a number of queues of an image, each with a thread of its own, for a time.
final class Work: Sendable {
    private let image: BlockImage
    private let depth: Int
    private let blockSize: Int
    private let writes: Bool
    private let nanoseconds: UInt64
    /// Queues that are open, of all threads.
    private let ready = Atomic<Int>(0)
    private let requests = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)

    init(image: BlockImage, depth: Int, blockSize: Int, writes: Bool, nanoseconds: UInt64) {
        self.image = image
        self.depth = depth
        self.blockSize = blockSize
        self.writes = writes
        self.nanoseconds = nanoseconds
    }

    func measure(queues: Int) throws -> QueueRate {
        let end = DispatchSemaphore(value: 0)
        let before = ProcessorTime.nanoseconds
        for number in 0..<queues {
            Thread.detachNewThread { [self] in
                serve(number, of: queues)
                end.signal()
            }
        }
        for _ in 0..<queues { end.wait() }
        let failed = failures.load(ordering: .relaxed)
        guard failed == 0 else { throw WorkError(failures: failed) }
        let completed = Double(requests.load(ordering: .relaxed))
        return QueueRate(
            requestsPerSecond: completed * 1e9 / Double(nanoseconds),
            processorTimePerRequest: Double(ProcessorTime.nanoseconds - before) / max(completed, 1))
    }

    /// What one thread does. All begin together.
    private func serve(_ number: Int, of queues: Int) {
        let options = QueueOptions(threading: .owned, depth: depth, hasDescriptor: false)
        guard let queue = try? BlockQueue(image, options) else {
            failures.add(1, ordering: .relaxed)
            ready.add(1, ordering: .relaxed)
            return
        }
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: depth * blockSize, alignment: 4096)
        memory.initializeMemory(
            as: UInt8.self, repeating: UInt8(truncatingIfNeeded: number), count: depth * blockSize)
        let lists = UnsafeMutableBufferPointer<iovec>.allocate(capacity: depth)
        for slot in 0..<depth {
            lists.initializeElement(
                at: slot, to: iovec(iov_base: memory + slot * blockSize, iov_len: blockSize))
        }
        defer {
            lists.deallocate()
            memory.deallocate()
        }
        ready.add(1, ordering: .releasing)
        while ready.load(ordering: .acquiring) < queues { sched_yield() }

        var places = Places(blocks: image.size / UInt64(blockSize), seed: UInt64(number))
        var completed = 0
        var failed = 0
        let start = MonotonicClock.nanoseconds
        queue.batch {
            for slot in 0..<depth { begin(slot, queue, lists, places.next()) }
            while MonotonicClock.nanoseconds &- start < nanoseconds {
                queue.poll(minimum: 1) { completion in
                    completed += 1
                    if !completion.isSuccess { failed += 1 }
                    begin(Int(completion.userData), queue, lists, places.next())
                }
            }
        }
        queue.close()
        requests.add(completed, ordering: .relaxed)
        failures.add(failed, ordering: .relaxed)
    }

    private func begin(
        _ slot: Int, _ queue: BlockQueue, _ lists: UnsafeMutableBufferPointer<iovec>,
        _ block: UInt64
    ) {
        let list = UnsafeBufferPointer(rebasing: lists[slot...slot])
        let offset = block * UInt64(blockSize)
        if writes {
            queue.writev(list, at: offset, userData: UInt(slot))
        } else {
            queue.readv(list, at: offset, userData: UInt(slot))
        }
    }
}

/// Random blocks: xorshift64* (Vigna, 2016).
private struct Places {
    let blocks: UInt64
    private var state: UInt64

    init(blocks: UInt64, seed: UInt64) {
        self.blocks = blocks
        state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return (state &* 0x2545_f491_4f6c_dd1d).multipliedFullWidth(by: blocks).high
    }
}

private struct WorkError: Error, CustomStringConvertible {
    let failures: Int
    var description: String { "\(failures) requests failed, or queues could not be opened" }
}
