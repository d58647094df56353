/// Moves bytes and syncs, and nothing else: range, alignment, pieces, retries and statistics are
/// the queue's. An engine is used by one thread at a time.
///
/// Each engine lives at a stable address and is reached through ``ActiveEngine``, whose one
/// `switch` a batch costs less than a call through an existential for each request.
protocol Engine: ~Copyable {
    /// Gives requests to the kernel (or to threads) from the head of `pending`, in order and as
    /// many as there is room for; what it cannot take stays in `pending`. What the kernel refuses
    /// outright goes to `finished` with its -errno.
    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO)

    /// Submits like `submit`, in the same system call where there is one, then moves what has
    /// ended to `finished`. Waits until `minimum` have, the limit has passed or a signal came.
    /// May come back with fewer for reasons of its own; the caller looks and asks again.
    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd

    /// Requests that the kernel or a thread has and has not ended.
    var inFlight: Int { get }

    /// Readable, for epoll, when something has ended or after `wake`; -1 when the queue was opened
    /// without one.
    var descriptor: CInt { get }

    /// Makes the descriptor readable until the next `reap`.
    mutating func wake()

    /// Frees what the engine holds. Nothing may be in flight.
    mutating func shutDown()
}

/// The engine of a queue. The payloads are plain pointers, so that a `switch` copies no reference
/// count.
enum ActiveEngine {
    case ioURing(UnsafeMutablePointer<URingEngine>)
    case linuxAIO(UnsafeMutablePointer<LinuxAIOEngine>)
    case threadPool(UnsafeMutablePointer<ThreadPoolEngine>)

    /// Sets up the engine that was chosen when the image was opened.
    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        switch image.engine {
        case .ioURing:
            self = .ioURing(try Self.place(URingEngine(image: image, options: options)))
        case .linuxAIO:
            self = .linuxAIO(try Self.place(LinuxAIOEngine(image: image, options: options)))
        case .threadPool:
            self = .threadPool(try Self.place(ThreadPoolEngine(image: image, options: options)))
        }
    }

    private static func place<E: ~Copyable>(_ engine: consuming E) -> UnsafeMutablePointer<E> {
        let pointer = UnsafeMutablePointer<E>.allocate(capacity: 1)
        pointer.initialize(to: engine)
        return pointer
    }

    func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        switch self {
        case .ioURing(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .linuxAIO(let engine): engine.pointee.submit(&pending, finished: &finished)
        case .threadPool(let engine): engine.pointee.submit(&pending, finished: &finished)
        }
    }

    func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        switch self {
        case .ioURing(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        case .linuxAIO(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        case .threadPool(let engine):
            engine.pointee.reap(
                minimum: minimum, limit: limit, pending: &pending, finished: &finished)
        }
    }

    var inFlight: Int {
        switch self {
        case .ioURing(let engine): engine.pointee.inFlight
        case .linuxAIO(let engine): engine.pointee.inFlight
        case .threadPool(let engine): engine.pointee.inFlight
        }
    }

    var descriptor: CInt {
        switch self {
        case .ioURing(let engine): engine.pointee.descriptor
        case .linuxAIO(let engine): engine.pointee.descriptor
        case .threadPool(let engine): engine.pointee.descriptor
        }
    }

    func wake() {
        switch self {
        case .ioURing(let engine): engine.pointee.wake()
        case .linuxAIO(let engine): engine.pointee.wake()
        case .threadPool(let engine): engine.pointee.wake()
        }
    }

    /// Shuts the engine down and frees its place.
    func destroy() {
        switch self {
        case .ioURing(let engine):
            engine.pointee.shutDown()
            engine.deinitialize(count: 1)
            engine.deallocate()
        case .linuxAIO(let engine):
            engine.pointee.shutDown()
            engine.deinitialize(count: 1)
            engine.deallocate()
        case .threadPool(let engine):
            engine.pointee.shutDown()
            engine.deinitialize(count: 1)
            engine.deallocate()
        }
    }
}
