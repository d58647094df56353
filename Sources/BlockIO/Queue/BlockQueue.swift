public import BlockHost
public import Glibc

/// Requests in, completions out, on one ``BlockImage``.
///
/// **Submitting.** A request has been submitted to the kernel when the call that makes it returns; inside
/// ``batch(_:)`` it is submitted with the others in one system call. Submitting never fails and never
/// waits for the device. Whatever is wrong with a request is reported by its completion, of which
/// there is exactly one. Buffers, and the array of iovecs, belong to the queue until the completion.
///
/// **Completing.** ``poll(minimum:timeout:_:)`` serves polling (`minimum: 0`), blocking
/// (`minimum: 1` or more) and, with ``descriptor`` in an epoll set, event-driven callers.
///
/// **Order.** None between requests in flight. Write, wait for the completion, flush, wait: then
/// what was written is on stable storage.
///
/// **Threads.** One thread at a time uses a queue: see ``QueueThreading``. A queue is not `Sendable`, so the
/// compiler checks this. To move a queue to another thread, pass it as a `sending` argument or keep it in a
/// `Synchronization.Mutex`; other threads can use its ``remote``. A queue that is released while requests are
/// in flight waits for them as ``close(_:)`` does. A queue that has an owner must be released by that thread.
public final class BlockQueue {
    /// The image that the queue serves.
    public let image: BlockImage

    private let mailbox: Mailbox

    // One pointer to a struct: no dynamic exclusivity checks on the hot path, which is inlined into callers.
    // The compiler cannot check that one thread at a time uses it: that is the contract of QueueThreading.
    @usableFromInline let core: StablePointer<QueueCore>

    /// Opens a queue. A writable image has as many at a time as ``OpenOptions/queueLimit`` says.
    public init(_ image: BlockImage, _ options: QueueOptions = QueueOptions()) throws(BlockError) {
        try options.validate(image: image.path)
        try image.claimQueue()
        self.image = image
        do throws(BlockError) {
            let state = try QueueCore(image: image, options: options)
            core = StablePointer(allocating: state)
            mailbox = core.pointee.mailbox
            mailbox.attach(core.pointee.engine.wakeEvent)
            core.pointee.joinGroup()
            core.pointee.joinRateLimiter()
        } catch {
            image.releaseQueue()
            throw error
        }
    }

    deinit {
        close { _ in }
        // Nothing but the queue has a copy of the pointer.
        unsafe core.destroy()
    }

    /// Readable when ``poll(minimum:timeout:_:)`` has something to deliver; -1 when the queue
    /// was opened without one. It is for epoll(7), level-triggered. Do not read it: the queue does.
    public var descriptor: CInt { core.pointee.descriptor }

    /// Whether anybody watches ``descriptor``; true at first. While nobody does, the descriptor says nothing,
    /// and ``poll(minimum:timeout:_:)`` with `minimum: 0` makes no system call where there is nothing to submit
    /// and nothing to deliver. Before somebody watches again, `poll` has to be called once more.
    @inline(never)
    package func setDescriptorWatched(_ isWatched: Bool) {
        if !isClosed { core.pointee.engine.setDescriptorWatched(isWatched) }
    }

    /// Whether the queue is closed: no request is taken and none is under way.
    public var isClosed: Bool { core.pointee.isClosed }

    /// Requests made and not yet delivered.
    public var outstanding: Int { core.pointee.outstanding }

    /// What the queue has done so far.
    public var statistics: BlockStatistics { core.pointee.statistics }

    /// preadv(2): reads into `vectors` from byte `offset` of the image, as one kernel request and
    /// one completion.
    ///
    /// `vectors` and the memory it names must stay valid until the completion, which carries
    /// `userData`. Any offset, length and address is allowed. On a direct image, memory that obeys
    /// ``BlockImage/alignment`` is not copied.
    @inline(__always)
    @inlinable
    @discardableResult
    public func readv(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64, userData: UInt = 0
    ) -> RequestID {
        core.pointee.startTransfer(
            .read, unsafe IOVectorList(vectors), at: offset, userData: userData)
    }

    /// pwritev(2): the counterpart of ``readv(_:at:userData:)``.
    @inline(__always)
    @inlinable
    @discardableResult
    public func writev(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        durability: WriteDurability = .volatile, userData: UInt = 0
    ) -> RequestID {
        if durability == .forceUnitAccess {
            return unsafe startDurable(vectors, at: offset, userData: userData)
        }
        return core.pointee.startTransfer(
            .write, unsafe IOVectorList(vectors), at: offset, userData: userData)
    }

    /// fdatasync(2): every write whose completion was delivered before this call is on stable
    /// storage when this succeeds. Flushes that are made while one is under way share the next
    /// fdatasync(2).
    ///
    /// Once one has failed, every later flush of the image fails with the same errno, because the kernel
    /// reports what it has lost only once (fsync(2), "ERRORS"). To go on, open the image again; what was
    /// written since the last flush that succeeded must be taken for lost. On a read-only image a flush
    /// succeeds at once.
    @discardableResult
    public func flush(userData: UInt = 0) -> RequestID {
        start(.init(operation: .flush, userData: userData))
    }

    /// ``readv(_:at:userData:)`` for a single buffer.
    @discardableResult
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, userData: UInt = 0
    ) -> RequestID {
        start(
            .init(
                operation: .read, offset: offset, userData: userData,
                buffer: unsafe IOVector(buffer)))
    }

    /// ``writev(_:at:durability:userData:)`` for a single buffer.
    @discardableResult
    public func write(
        from buffer: UnsafeRawBufferPointer, at offset: UInt64,
        durability: WriteDurability = .volatile, userData: UInt = 0
    ) -> RequestID {
        start(
            .init(
                operation: .write, offset: offset, isDurable: durability == .forceUnitAccess,
                userData: userData, buffer: unsafe IOVector(buffer)))
    }

    /// Tells the medium that a range is no longer needed: fallocate(2) with
    /// FALLOC_FL_PUNCH_HOLE on a file, BLKDISCARD of the whole sectors in the range on a device.
    /// ``BlockCompletion/effect`` says what a later read returns. A discard also succeeds on a medium that
    /// cannot discard.
    @discardableResult
    public func discard(at offset: UInt64, length: UInt64, userData: UInt = 0) -> RequestID {
        start(.init(operation: .discard, offset: offset, length: length, userData: userData))
    }

    /// Makes a range read as zeroes: fallocate(2) with FALLOC_FL_ZERO_RANGE or
    /// FALLOC_FL_PUNCH_HOLE, BLKZEROOUT, or else by writing zeroes.
    @discardableResult
    public func writeZeroes(
        at offset: UInt64, length: UInt64, options: ZeroOptions = [], userData: UInt = 0
    ) -> RequestID {
        start(
            .init(
                operation: .writeZeroes, offset: offset, length: length,
                isDurable: options.contains(.forceUnitAccess), userData: userData,
                zeroOptions: options))
    }

    /// ftruncate(2) of a file to `size` bytes, a multiple of ``BlockImage/logicalBlockSize``;
    /// ``BlockError/Code/unsupported`` on a device. It waits for writes, discards and writes of zeroes
    /// that were made before it, and those made after it wait for it. When another program has made the file
    /// larger, the queue notices that without this call.
    @discardableResult
    public func resize(to size: UInt64, userData: UInt = 0) -> RequestID {
        start(.init(operation: .resize, length: size, userData: userData))
    }

    /// Asks for a request to complete early. The request has its one completion in any case: with
    /// ``BlockError/Code/cancelled``, or as if nothing had been asked when it was too late. The kernel may use
    /// its memory until that completion. An identifier of a request that has completed cancels nothing.
    public func cancel(_ request: RequestID) { core.pointee.cancel(request) }

    /// What other threads use in place of the queue. The queue's own thread has to get it, before it waits.
    public var remote: RemoteQueue {
        openToWakes()
        mailbox.open()
        return RemoteQueue(mailbox: mailbox)
    }

    /// Defers what `body` submits to one system call at its end, or at the next `poll` inside it:
    /// then submitting and waiting are one call where the engine can. Batches nest.
    @inlinable
    public func batch<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        plug()
        defer { unplug() }
        return try body()
    }

    /// Delivers what has completed, each to `body` in turn, and returns how many were delivered.
    ///
    /// Waits until there are `minimum`, or all that are outstanding if that is less; until
    /// `timeout` has passed (`nil`: no limit); or until the wait was interrupted (EINTR), by a signal
    /// handler or by the kernel's own work for this thread. Where the engine is the kernel's, a signal need not
    /// end a wait that has a `timeout`. With a `minimum` above 0 and nothing
    /// outstanding it sleeps until a call of ``remote``, a signal or the timeout; if there is neither a
    /// timeout nor a ``remote``, it returns at once. With the thread pool, or while the system cannot create
    /// a thread, the calling thread may serve a request itself, so that a timeout can be late by one request.
    /// `body` may submit.
    ///
    /// What `body` throws ends this call. The completion that it was called with counts as delivered;
    /// the others stay for the next call, and ``descriptor`` stays readable for them.
    @inlinable
    @discardableResult
    public func poll<Failure: Error>(
        minimum: Int = 0, timeout: Duration? = nil,
        _ body: (BlockCompletion) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        let ready = collect(minimum: minimum, timeout: timeout)
        var delivered = 0
        while delivered < ready, let request = core.pointee.deliver() {
            delivered &+= 1
            if request.pointee.isFast || !callClosure(of: request) {
                do throws(Failure) {
                    try body(request.pointee.completion)
                } catch {
                    core.pointee.recycle(request)
                    leaveRest()
                    throw error
                }
            }
            core.pointee.recycle(request)
        }
        // Fewer leave their memory to the next call.
        if delivered > 1024 { giveBackMemory() }
        return delivered
    }

    /// Does the same for requests whose completions have closures of their own, or are of no interest.
    @inlinable
    @discardableResult
    public func poll(minimum: Int = 0, timeout: Duration? = nil) -> Int {
        poll(minimum: minimum, timeout: timeout) { _ in }
    }

    /// Delivers until nothing is outstanding, what `body` submits included. What `body` throws ends this
    /// call as it ends ``poll(minimum:timeout:_:)``. It keeps to the rate limits of the image.
    @inlinable
    public func drain<Failure: Error>(
        _ body: (BlockCompletion) throws(Failure) -> Void
    ) throws(Failure) {
        while outstanding > 0 { try poll(minimum: outstanding, body) }
    }

    /// Does the same for requests whose completions have closures of their own, or are of no interest.
    @inlinable
    public func drain() { drain { _ in } }

    /// Waits until every request has completed, closes the engine and delivers the completions.
    /// Requests that wait because of a rate limit go on at once. A request that is made afterwards completes with
    /// ``BlockError/Code/closed``. A second call has no effect.
    ///
    /// The queue is closed even if `body` throws. The completions that were not delivered are then left to
    /// ``poll(minimum:timeout:_:)`` or to another call of this method.
    @inlinable
    public func close<Failure: Error>(
        _ body: (BlockCompletion) throws(Failure) -> Void
    ) throws(Failure) {
        shutDown()
        while try poll(body) > 0 {}
    }

    /// Does the same for requests whose completions have closures of their own, or are of no interest.
    @inlinable
    public func close() { close { _ in } }
}

// Called from inlined code, which is why they are usable from there, and by the wrappers.
extension BlockQueue {
    @usableFromInline func plug() { core.pointee.plug() }

    @usableFromInline func unplug() { core.pointee.unplug() }

    @usableFromInline func shutDown() { core.pointee.close() }

    @usableFromInline func giveBackMemory() { core.pointee.giveBackMemory() }

    @inline(never)
    @usableFromInline func leaveRest() { core.pointee.announceRest() }

    @usableFromInline func collect(minimum: Int, timeout: Duration?) -> Int {
        core.pointee.collect(minimum: minimum, timeout: timeout)
    }

    /// Calls the closure of a request that has one of its own.
    @usableFromInline func callClosure(of request: RequestPointer) -> Bool {
        guard let closure = request.pointee.closure else { return false }
        // A request is delivered once, and its slot is reset then.
        unsafe closure.take()(request.pointee.completion)
        return true
    }

    @usableFromInline func startDurable(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64, userData: UInt
    ) -> RequestID {
        start(
            .init(
                operation: .write, vectors: unsafe IOVectorList(vectors), offset: offset,
                isDurable: true, userData: userData))
    }

    /// From now on other threads may wake the owner.
    func openToWakes() {
        if !isClosed { core.pointee.engine.openToWakes() }
    }

    /// For ``IOLoop``, from any thread: ends a wait of the queue's owner.
    func wakeOwner() { mailbox.wakeOwner() }

    /// Delivers what has completed; sleeps until something has, or it is woken, if there is nothing
    /// and the caller has no other work.
    func pollOrSleep(hasWork: Bool) {
        if !hasWork { core.pointee.sleep() }
        poll()
    }

    func start(_ call: borrowing QueueCore.Call) -> RequestID {
        core.pointee.start(call)
    }

    func run(_ call: borrowing QueueCore.Call) -> BlockCompletion {
        core.pointee.wait(for: core.pointee.start(call))
    }
}
