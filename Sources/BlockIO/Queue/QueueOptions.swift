/// How to open a queue. Nothing here can change later.
public struct QueueOptions: Sendable {
    /// How callers share the queue; ``QueueThreading/owned`` by default.
    public var threading: QueueThreading
    /// The most requests that the engine (the kernel, or the pool of threads) has at one time, from 1 to
    /// 4096; 128 by default. More can be made: they wait in order. Calls for threads (discard, zeroes, resize, and
    /// in the pool of threads flush) are not counted, so that no read waits for them.
    public var depth: Int
    /// The most threads of the thread pool, from 1 to 1024; 64 by default. One of them is left to reads and writes,
    /// unless it is the only one. The other engines ignore it.
    public var maximumThreads: Int
    /// Whether ``BlockQueue/descriptor`` exists; true by default. Without it completions cost a
    /// little less.
    public var hasDescriptor: Bool
    /// The most bytes of one request that pass through a bounce buffer at a time, because they do not obey
    /// the host's alignment. A larger request goes in pieces. 512 or more; 1 MiB by default. A bounce
    /// buffer always has room for one block of the image's alignment.
    public var bounceLimit: Int
    /// How the kernel serves the queue where the engine is io_uring; nothing out of the ordinary by default. Any
    /// other value is refused on other engines.
    public var ring: RingOptions
    /// What is between the pipeline and the engine, the one next to the pipeline first; nothing by default.
    package var decorators: [any EngineDecorator] = []

    /// Options with the defaults described at each property.
    public init(
        threading: QueueThreading = .owned, depth: Int = 128, maximumThreads: Int = 64,
        hasDescriptor: Bool = true, bounceLimit: Int = 1 << 20,
        ring: RingOptions = RingOptions()
    ) {
        self.threading = threading
        self.depth = depth
        self.maximumThreads = maximumThreads
        self.hasDescriptor = hasDescriptor
        self.bounceLimit = bounceLimit
        self.ring = ring
    }

    func validate(image: String) throws(BlockError) {
        guard (1...4096).contains(depth) else {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "queue depth \(depth) is outside 1 to 4096")
        }
        guard (1...1024).contains(maximumThreads) else {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "thread limit \(maximumThreads) is outside 1 to 1024")
        }
        if let idle = ring.submissionThreadIdle, !(1...60_000).contains(idle) {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail:
                    "a submission thread that is idle for \(idle) milliseconds is outside 1 to 60000"
            )
        }
        guard bounceLimit >= 512 else {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "bounce limit \(bounceLimit) is below 512")
        }
    }
}
