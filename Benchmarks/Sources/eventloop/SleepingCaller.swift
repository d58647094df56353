import BenchFacts
import BenchSupport
import BlockIO
import CEpoll
import Glibc

/// The caller of a queue that sleeps in epoll_wait(2) on the queue's descriptor.
struct SleepingCaller: ~Copyable {
    /// After which time, or after how many reads, no more reads are started.
    enum Limit {
        case seconds(Double)
        case count(UInt64)
    }

    /// The work of all reads together.
    struct Outcome {
        var requests: UInt64 = 0
        /// Calls of epoll_wait(2) that have returned, interrupted ones among them.
        var wakeUps: UInt64 = 0
        var seconds = 0.0
    }

    private let queue: BlockQueue
    private let set: CInt
    private let range: TargetRange
    private let blockSize: Int
    private let depth: Int
    private let memory: UnsafeMutableRawBufferPointer
    private let count: UInt64
    private let duration: UInt64
    private var random: UInt64 = 88_172_645_463_325_252
    private var started: UInt64 = 0
    private var hasTime = true
    private var failure: String?
    private var outcome = Outcome()

    init(
        queue: BlockQueue, range: TargetRange, blockSize: Int, depth: Int, limit: Limit
    ) throws(SystemCallError) {
        self.queue = queue
        self.range = range
        self.blockSize = blockSize
        self.depth = depth
        switch limit {
        case .seconds(let seconds): (count, duration) = (.max, UInt64(seconds * 1e9))
        case .count(let count): (self.count, duration) = (count, .max)
        }
        let set = cep_create(queue.descriptor)
        guard set >= 0 else { throw SystemCallError("epoll", -set) }
        self.set = set
        memory = .allocate(byteCount: depth * blockSize, alignment: 4096)
    }

    deinit {
        memory.deallocate()
        close(set)
    }

    /// Reads until the limit, and waits for the reads in flight.
    consuming func run() throws -> Outcome {
        let queue = queue
        let begin = MonotonicClock.nanoseconds
        queue.batch { for slot in 0..<depth { start(slot) } }
        while outcome.requests < started {
            let error = -cep_wait(set)
            guard error == 0 || error == EINTR else {
                throw SystemCallError("epoll_wait", error)
            }
            outcome.wakeUps &+= 1
            hasTime = count != .max || MonotonicClock.nanoseconds &- begin < duration
            queue.batch {
                _ = queue.poll { completion in
                    outcome.requests &+= 1
                    guard completion.isSuccess, completion.transferred == UInt64(blockSize) else {
                        failure = "a read failed or was short"
                        return
                    }
                    start(Int(completion.userData))
                }
            }
        }
        if let failure { throw ReadFailure(description: failure) }
        outcome.seconds = Double(MonotonicClock.nanoseconds - begin) / 1e9
        return outcome
    }

    /// Unless the limit has been reached.
    private mutating func start(_ slot: Int) {
        guard hasTime, started < count, failure == nil else { return }
        started &+= 1
        let place = UnsafeMutableRawBufferPointer(
            rebasing: memory[slot &* blockSize..<(slot &+ 1) &* blockSize])
        queue.read(into: place, at: nextOffset(), userData: UInt(slot))
    }

    /// xorshift64 (Marsaglia 2003), as the C programs have it.
    private mutating func nextOffset() -> UInt64 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        let blocks = range.length / UInt64(blockSize)
        return range.offset &+ random.multipliedFullWidth(by: blocks).high &* UInt64(blockSize)
    }
}
