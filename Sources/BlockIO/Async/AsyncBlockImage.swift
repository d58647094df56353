public import Glibc

/// An image for `async` code: a thin layer over a ``BlockQueue``, in which a thread of its own waits.
///
/// Any task may call; those that run on ``executor`` (`withTaskExecutorPreference`) do so without a
/// change of thread. A call returns when its request has completed. Cancelling the task asks for
/// the request to end early (``BlockError/Code/cancelled``), but the call still returns only when
/// the kernel is done with the memory.
///
/// The thread blocks all signals except those that a fault of its own raises, such as SIGBUS. A job that
/// waits for a signal has to unblock that signal.
///
/// When it is released without ``close()``, it closes itself once the requests under way have completed.
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
        try await run(AsyncRequest(.read, unsafe IOVector(buffer), offset))
    }

    /// Writes from `buffer` at byte `offset`.
    @discardableResult
    public func write(
        from buffer: UnsafeRawBufferPointer, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) async throws(BlockError) -> Int {
        try await run(
            AsyncRequest(
                .write, unsafe IOVector(buffer), offset, isDurable: durability == .forceUnitAccess))
    }

    /// Reads into `vectors`, as one kernel request.
    @discardableResult
    public func readv(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64
    ) async throws(BlockError) -> Int {
        unsafe try await run(AsyncRequest(.read, unsafe vectors, offset))
    }

    /// Writes from `vectors`, as one kernel request.
    @discardableResult
    public func writev(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) async throws(BlockError) -> Int {
        unsafe try await run(
            AsyncRequest(.write, unsafe vectors, offset, isDurable: durability == .forceUnitAccess))
    }

    /// Brings every write that has returned to stable storage.
    public func flush() async throws(BlockError) {
        try await run(AsyncRequest(QueueCore.Call(operation: .flush)))
    }

    /// ``BlockQueue/discard(at:length:userData:)``; returns what a later read gives.
    public func discard(
        at offset: UInt64, length: UInt64
    ) async throws(BlockError) -> RangeEffect {
        let request = AsyncRequest(
            QueueCore.Call(operation: .discard, offset: offset, length: length))
        let completion = await completion(of: request)
        try completion.get(on: image)
        return completion.effect
    }

    /// ``BlockQueue/writeZeroes(at:length:options:userData:)``.
    public func writeZeroes(
        at offset: UInt64, length: UInt64, options: ZeroOptions = []
    ) async throws(BlockError) {
        try await run(
            AsyncRequest(
                QueueCore.Call(
                    operation: .writeZeroes, offset: offset, length: length,
                    isDurable: options.contains(.forceUnitAccess), zeroOptions: options)))
    }

    /// Waits until the requests under way have completed, and closes the engine. Later calls fail with
    /// ``BlockError/Code/closed``.
    public func close() async {
        unsafe await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            executor.run { queue in
                queue.close()
                unsafe continuation.resume()
            }
        }
    }

    @discardableResult
    private func run(_ request: AsyncRequest) async throws(BlockError) -> Int {
        try await completion(of: request).get(on: image)
    }

    private func completion(of request: AsyncRequest) async -> BlockCompletion {
        await withTaskCancellationHandler {
            unsafe await withUnsafeContinuation { continuation in
                executor.run { queue in unsafe request.start(on: queue, continuation) }
            }
        } onCancel: {
            request.isCancelled.store(true, ordering: .relaxed)
            executor.run { queue in request.cancel(on: queue) }
        }
    }
}
