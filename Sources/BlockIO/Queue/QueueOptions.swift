/// How the callers of a queue share it.
public enum QueueThreading: Sendable, Hashable {
    /// One thread submits and waits: the first that submits or polls. io_uring then uses flags
    /// that are faster and that the kernel enforces. Using the queue from another thread is a
    /// broken contract: on every engine it stops the program with a message.
    case owned
    /// Callers synchronise themselves: any thread, but one at a time, as under a device's lock.
    /// Requests complete although the submitting thread does something else, and another thread
    /// sleeps on ``BlockQueue/descriptor`` without the lock.
    ///
    /// With io_uring the kernel completes requests in the thread that submitted them. System calls in
    /// which that thread sleeps, such as epoll_wait(2) and nanosleep(2), then return EINTR about once for
    /// each completion (signal(7), "Interruption of system calls"), and have to be made again.
    case shared
}

/// How to open a queue. Nothing here can change later.
public struct QueueOptions: Sendable {
    /// How callers share the queue; ``QueueThreading/owned`` by default.
    public var threading: QueueThreading
    /// Requests that the engine, the kernel or the pool of threads, is given at one time, 1 to 4096; 128
    /// by default. More can be submitted: they wait in order. Calls for helper threads (discard,
    /// zeroes, resize) are not counted, so that no read waits for them.
    public var depth: Int
    /// Threads of the thread pool, 1 to 1024; 64 by default. The other engines ignore it.
    public var maximumThreads: Int
    /// Whether ``BlockQueue/descriptor`` exists; true by default. Without it completions cost a
    /// little less.
    public var hasDescriptor: Bool
    /// How many bytes of one request pass through a bounce buffer at a time because they offend
    /// the host's alignment; a larger request goes in pieces. 512 or more, 1 MiB by default; at
    /// least one block of the image's alignment is used whatever this says.
    public var bounceLimit: Int
    /// What is between the pipeline and the engine, from above; nothing by default.
    package var decorators: [any EngineDecorator] = []

    /// Options with the defaults described at each property.
    public init(
        threading: QueueThreading = .owned, depth: Int = 128, maximumThreads: Int = 64,
        hasDescriptor: Bool = true, bounceLimit: Int = 1 << 20
    ) {
        self.threading = threading
        self.depth = depth
        self.maximumThreads = maximumThreads
        self.hasDescriptor = hasDescriptor
        self.bounceLimit = bounceLimit
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
        guard bounceLimit >= 512 else {
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "bounce limit \(bounceLimit) is below 512")
        }
    }
}
