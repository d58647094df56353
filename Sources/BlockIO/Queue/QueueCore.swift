import BlockHost
import CBlockIO
import Glibc

/// The state of a queue. Each request goes one way through it:
///
///     start -> check -> (pending) -> engine -> settle -> (finished) -> deliver
///
/// `settle` sends a request back to `pending` while it has pieces, retries or fallbacks to go.
/// Everything that does not depend on the engine happens here, once; the stations are in the
/// files named QueueCore+Station. A request that has to wait for others is in phase `blocked`, and
/// goes on in `runFollowers` when they have ended (QueueCore+Follow).
@usableFromInline
struct QueueCore: ~Copyable {
    let image: BlockImage
    let engine: ActiveEngine
    /// Writes may go the short way: the image is writable, and no resize is under way.
    @usableFromInline var acceptsUsualWrites: Bool
    let bounceLimit: Int

    // Copies of the image's, which only this queue's pipeline changes.
    @usableFromInline var memoryMask: UInt = 0
    @usableFromInline var offsetMask: UInt = 0
    /// That of the file: what the image has beyond it is never the engine's.
    @usableFromInline var size: UInt64 = 0
    /// What a direct write may reach: whole blocks.
    var wholeBlocksEnd: UInt64 = 0

    var slab: RequestSlab
    @usableFromInline var free = FreeSlots()
    /// To be given to the engine, in order.
    @usableFromInline var pending = RequestFIFO()
    /// Back from the engine, not looked at.
    var ended = RequestFIFO()
    /// Done, and not yet delivered by `poll`.
    @usableFromInline var finished = RequestFIFO()
    /// Writes under way, in the order in which they were made; kept while blocks matter.
    var tracked = TrackedWrites()
    var flushes = FlushGroup()
    /// The oldest resize under way, whether it has begun or not.
    var barrier: RequestPointer?
    /// What changes the image and was asked for after `barrier`, in order.
    var heldBack = RequestFIFO()
    /// What waited for others and may go on.
    var runnable = RequestFIFO()
    /// Requests under way that change the image: writes, discards, writes of zeroes.
    @usableFromInline var modifying = 0
    /// Requests of a direct image under way that may change a part of a block through the page cache.
    var pageCacheUsers = 0
    /// Requests under way that take several engine operations, or wait for others: while there are any,
    /// each answer of the engine may be what the next operation waits for.
    var composite = 0
    /// Started and not yet delivered or taken by a waiter.
    @usableFromInline var outstanding = 0

    private var plugs = 0
    /// The thread that the queue belongs to, and 0 before its first use; `nil` for a shared queue.
    private var owner: UInt?
    /// No more requests are taken.
    @usableFromInline var isClosing = false
    /// The engine is gone.
    var isClosed = false
    /// The descriptor has been made readable for `finished`.
    var isWoken = false
    /// The kernel does not know RWF_DSYNC (before Linux 4.7): a flush follows such a write.
    var lacksDurableWrite = false
    let mailbox: Mailbox
    var counters = BlockStatistics()
    let latencies = LatencyRecorder()
    /// CLOCK_MONOTONIC of the batch that is being made; 0 until its first request, and while
    /// nothing defers submission.
    @usableFromInline var batchClock: UInt64 = 0

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        self.image = image
        engine = try ActiveEngine(image: image, options: options)
        acceptsUsualWrites = image.access == .readWrite
        owner = options.threading == .owned ? 0 : nil
        bounceLimit = options.bounceLimit
        slab = RequestSlab()
        mailbox = Mailbox()
        makeRoom()
        adoptGeometry()
    }

    /// Takes over size and alignment after the image's have changed.
    mutating func adoptGeometry() {
        let alignment = image.alignment
        if UInt(alignment.offset - 1) != offsetMask { tracked.blockSizeChanged() }
        memoryMask = UInt(alignment.memory - 1)
        offsetMask = UInt(alignment.offset - 1)
        size = image.fileSize
        wholeBlocksEnd = size & ~UInt64(offsetMask)
    }

    var descriptor: CInt { isClosed ? -1 : engine.descriptor }

    var statistics: BlockStatistics {
        var copy = counters
        copy.slotGrowths = UInt64(slab.growths)
        copy.outstanding = outstanding
        copy.readLatency = latencies.histogram(.read)
        copy.writeLatency = latencies.histogram(.write)
        copy.flushLatency = latencies.histogram(.flush)
        if !isClosed {
            copy.inlineCompletions = engine.inlineCompletions
            copy.pollerOperations = engine.pollerOperations
        }
        return copy
    }

    var alignment: HostAlignment {
        HostAlignment(memory: Int(memoryMask) + 1, offset: Int(offsetMask) + 1)
    }

    // MARK: Submitting

    /// What a caller asks for.
    struct Call {
        var verb: BlockOperation
        var vectors: UnsafePointer<iovec>?
        var count = 0
        var offset: UInt64 = 0
        /// For verbs without buffers.
        var length: UInt64 = 0
        var isDurable = false
        var userData: UInt = 0
        var route = IORequest.Route.poll
        var closure: Unmanaged<CompletionClosure>?
        /// Instead of `vectors`: one buffer, whose list the slot holds.
        var buffer: iovec?
    }

    /// Starts a request. It is on its way when this returns, unless the queue is plugged.
    mutating func start(_ call: borrowing Call) -> RequestID {
        if !isClosed { checkOwner() }
        let request = take(call.verb, at: call.offset, userData: call.userData)
        // It may have ended when this returns.
        let id = RequestID(request)
        request.pointee.route = call.route
        request.pointee.closure = call.closure
        request.pointee.isDurable = call.isDurable
        request.pointee.length = call.length
        if let buffer = call.buffer {
            request.pointee.singleBuffer = buffer
            request.pointee.vectors = request.singleBuffer
            request.pointee.vectorCount = 1
        } else {
            request.pointee.vectors = call.vectors
            request.pointee.vectorCount = call.count
        }
        if isClosing {
            _ = check(request)
            request.pointee.errno = 0
            finish(request, .closed)
        } else {
            admit(request)
        }
        runFollowers()
        submitUnlessPlugged()
        return id
    }

    /// Checks a request and sends it on its way, unless a resize comes first.
    mutating func admit(_ request: RequestPointer) {
        let verdict = check(request)
        if barrier != nil && request.pointee.verb.changesImage { return holdBack(request) }
        switch verdict {
        case .direct:
            countModifying(request)
            transferDirectly(request)
        case .slow:
            countModifying(request)
            startSlowly(request)
        case .done: finish(request, nil)
        case .refused(let code): finish(request, code)
        }
    }

    private mutating func countModifying(_ request: RequestPointer) {
        guard request.pointee.verb.changesImage, request.pointee.verb != .resize else { return }
        request.pointee.isModifying = true
        modifying &+= 1
    }

    private mutating func take(
        _ verb: BlockOperation, at offset: UInt64, userData: UInt
    ) -> RequestPointer {
        makeRoom()
        let request = free.take().unsafelyUnwrapped
        outstanding &+= 1
        request.pointee.isPlain = false
        request.pointee.isModifying = false
        request.pointee.completion.asked.userData = userData
        request.pointee.completion.asked.operation = verb
        request.pointee.completion.asked.offset = offset
        request.pointee.completion.transferred = 0
        readBatchClock()
        request.pointee.started = batchClock
        return request
    }

    /// Sees to it that a slot is free.
    mutating func makeRoom() {
        if free.first == nil { slab.addChunk(to: &free) }
    }

    mutating func readBatchClock() {
        if batchClock == 0 { batchClock = monotonicNanoseconds() }
    }

    /// From here to `unplug` requests only queue up.
    mutating func plug() { plugs &+= 1 }

    /// The end of the outermost plug submits what has queued up, in one system call where the
    /// engine has one.
    mutating func unplug() {
        plugs &-= 1
        if plugs == 0 { submitPending() }
    }

    /// Queues what `request.engine` says for the engine.
    mutating func enqueue(_ request: RequestPointer) {
        request.operation.pointee.is_pending = true
        pending.append(request)
    }

    @inline(__always)
    mutating func submitUnlessPlugged() {
        if plugs == 0 { submitPending() }
    }

    /// Gives the engine what it has room for. What it refuses at once is settled, and may have a rest
    /// or another way to go.
    mutating func giveToEngine() {
        checkOwner()
        while !pending.isEmpty {
            let before = pending.count
            engine.submit(&pending, finished: &ended)
            counters.kernelRequests &+= UInt64(before &- pending.count)
            if ended.isEmpty { return }
            settleEnded()
        }
    }

    private mutating func submitPending() {
        batchClock = 0
        if isClosed { return }
        if !pending.isEmpty { giveToEngine() }
        // A thread that sleeps on the descriptor would not learn what finishes outside `poll`.
        if !finished.isEmpty { wake() }
    }

    /// Some of what was collected has not been delivered: whoever sleeps on the descriptor is told of it.
    mutating func announceRest() {
        if !isClosed && !finished.isEmpty { wake() }
    }

    private mutating func wake() {
        if isWoken { return }
        isWoken = true
        engine.wake()
    }

    /// Stops the program when an owned queue is used by a second thread: io_uring would answer with
    /// errors that cannot be told from others, the other engines would lose data silently.
    @inline(__always)
    mutating func checkOwner() {
        guard let owner else { return }
        let current = HostThread.number
        if owner != current { setOwner(current) }
    }

    @inline(never)
    private mutating func setOwner(_ thread: UInt) {
        if owner != 0 {
            // Not precondition(_:_:), whose text release builds leave out.
            fatalError(
                "a queue with threading .owned was used by a second thread; see QueueThreading")
        }
        owner = thread
    }
}
