import Glibc
import Synchronization

/// An image for `async` code: a thin face over a ``BlockQueue`` that a thread of its own waits on.
///
/// Any task may call; those that run on ``executor`` (`withTaskExecutorPreference`) do so without a
/// change of thread. A call returns when its request has completed. Cancelling the task asks for
/// the request to end early (``BlockError/Code/cancelled``), but the call still returns only when
/// the kernel is done with the memory.
///
/// The thread blocks all signals but those that a fault of its own raises, such as SIGBUS: a job that
/// waits for a signal has to unblock it.
///
/// Released without ``close()``, it closes by itself when what is under way has ended.
public final class AsyncBlockImage: Sendable {
    /// The image.
    public let image: BlockImage
    /// The thread that does the image's I/O.
    public let executor: IOThread

    /// Opens the image's queue and starts its thread; `options.threading` is ignored.
    public init(
        _ image: BlockImage, _ options: QueueOptions = QueueOptions()
    ) throws(BlockError) {
        var options = options
        options.threading = .owned
        options.hasDescriptor = false
        self.image = image
        executor = try IOThread(BlockQueue(image, options))
    }

    /// Reads into `buffer` from byte `offset`; returns the number of bytes. The buffer must stay
    /// until the call returns.
    @discardableResult
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) async throws(BlockError) -> Int {
        try await run(Order(.read, iovec(buffer), offset))
    }

    /// Writes from `buffer` at byte `offset`.
    @discardableResult
    public func write(
        from buffer: UnsafeRawBufferPointer, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) async throws(BlockError) -> Int {
        try await run(
            Order(.write, iovec(buffer), offset, isDurable: durability == .forceUnitAccess))
    }

    /// Reads into `vectors`, as one kernel request.
    @discardableResult
    public func readv(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64
    ) async throws(BlockError) -> Int {
        try await run(Order(.read, vectors, offset))
    }

    /// Writes from `vectors`, as one kernel request.
    @discardableResult
    public func writev(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) async throws(BlockError) -> Int {
        try await run(
            Order(.write, vectors, offset, isDurable: durability == .forceUnitAccess))
    }

    /// Brings every write that has returned to stable storage.
    public func flush() async throws(BlockError) {
        try await run(Order(QueueCore.Call(verb: .flush)))
    }

    /// ``BlockQueue/discard(at:length:userData:)``; returns what a later read gives.
    public func discard(
        at offset: UInt64, length: UInt64
    ) async throws(BlockError) -> RangeEffect {
        let order = Order(QueueCore.Call(verb: .discard, offset: offset, length: length))
        let completion = await complete(order)
        try completion.get(on: image)
        return completion.effect
    }

    /// ``BlockQueue/writeZeroes(at:length:userData:)``.
    public func writeZeroes(at offset: UInt64, length: UInt64) async throws(BlockError) {
        try await run(Order(QueueCore.Call(verb: .writeZeroes, offset: offset, length: length)))
    }

    /// Waits until everything under way has ended, and gives back the engine. Later calls fail with
    /// ``BlockError/Code/closed``.
    public func close() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            executor.perform { queue in
                queue.close()
                continuation.resume()
            }
        }
    }

    @discardableResult
    private func run(_ order: Order) async throws(BlockError) -> Int {
        try await complete(order).get(on: image)
    }

    private func complete(_ order: Order) async -> BlockCompletion {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                executor.perform { queue in order.start(on: queue, continuation) }
            }
        } onCancel: {
            order.isCancelled.store(true, ordering: .relaxed)
            executor.perform { queue in order.cancel(on: queue) }
        }
    }
}

/// One call of the async face. Safe to share: only the I/O thread uses it, but for the flag, which is
/// atomic.
private final class Order: @unchecked Sendable {
    private var call: QueueCore.Call
    private var id: RequestID?
    /// Seen when the task was cancelled before the request got to the I/O thread.
    let isCancelled = Atomic<Bool>(false)

    init(_ call: QueueCore.Call) { self.call = call }

    convenience init(
        _ verb: BlockOperation, _ buffer: iovec, _ offset: UInt64, isDurable: Bool = false
    ) {
        self.init(
            QueueCore.Call(verb: verb, offset: offset, isDurable: isDurable, buffer: buffer))
    }

    convenience init(
        _ verb: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>, _ offset: UInt64,
        isDurable: Bool = false
    ) {
        self.init(
            QueueCore.Call(
                verb: verb, vectors: vectors.baseAddress, count: vectors.count, offset: offset,
                isDurable: isDurable))
    }

    func start(on queue: BlockQueue, _ continuation: UnsafeContinuation<BlockCompletion, Never>) {
        call.closure = Unmanaged.passRetained(
            CompletionClosure { completion in
                self.id = nil
                continuation.resume(returning: completion)
            })
        let started = queue.start(call)
        id = started
        if isCancelled.load(ordering: .relaxed) { queue.cancel(started) }
    }

    func cancel(on queue: BlockQueue) {
        if let id { queue.cancel(id) }
    }
}
