import CBlockIO
import Glibc

/// The state of a queue. Each request goes one way through it:
///
///     start -> check -> (pending) -> engine -> settle -> (finished) -> deliver
///
/// `settle` sends a request back to `pending` while it has pieces, retries or fallbacks to go.
/// Everything that does not depend on the engine happens here, once; the stations are in the
/// files named QueueCore+Station.
struct QueueCore: ~Copyable {
    let image: BlockImage
    let engine: ActiveEngine
    let isWritable: Bool
    let bounceLimit: Int

    // Copies of the image's, which only this queue's pipeline changes.
    var memoryMask: UInt = 0
    var offsetMask: UInt = 0
    var size: UInt64 = 0
    /// What a direct write may reach: whole blocks.
    var wholeBlocksEnd: UInt64 = 0

    var slab: RequestSlab
    /// To be given to the engine, in order.
    var pending = RequestFIFO()
    /// Back from the engine, not looked at.
    var ended = RequestFIFO()
    /// Done, and not yet delivered by `poll`.
    var finished = RequestFIFO()
    /// Writes under way, in the order in which they were made; kept while blocks matter.
    var tracked = TrackedWrites()
    /// Started and not yet delivered or taken by a waiter.
    var outstanding = 0

    private var plugs = 0
    /// No more requests are taken.
    var isClosing = false
    /// The engine is gone.
    var isClosed = false
    /// The descriptor has been made readable for `finished`.
    var isWoken = false
    /// The kernel does not know RWF_DSYNC (before Linux 4.7): a flush follows such a write.
    var lacksDurableWrite = false
    let mailbox: Mailbox
    var counters = BlockStatistics()
    let latencies = LatencyRecorder()
    /// CLOCK_MONOTONIC of the batch that is being made, 0 between batches.
    private var batchClock: UInt64 = 0

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        self.image = image
        engine = try ActiveEngine(image: image, options: options)
        isWritable = image.access == .readWrite
        bounceLimit = options.bounceLimit
        slab = RequestSlab(chunkSize: 256)
        mailbox = Mailbox()
        adoptGeometry()
    }

    /// Takes over size and alignment after the image's have changed.
    mutating func adoptGeometry() {
        let alignment = image.alignment
        memoryMask = UInt(alignment.memory - 1)
        offsetMask = UInt(alignment.offset - 1)
        size = image.size
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
        copy.inlineCompletions = isClosed ? counters.inlineCompletions : engine.inlineCompletions
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
    mutating func start(_ call: borrowing Call) -> RequestPointer {
        let request = take(call.verb, at: call.offset, userData: call.userData)
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
        route(request, check(request))
        return request
    }

    /// The same for the usual read or write, whose completion goes to `poll`.
    @inline(__always)
    mutating func startTransfer(
        _ verb: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        isDurable: Bool, userData: UInt
    ) -> RequestPointer {
        let request = take(verb, at: offset, userData: userData)
        request.pointee.isDurable = isDurable
        request.pointee.vectors = UnsafePointer(vectors.baseAddress)
        request.pointee.vectorCount = vectors.count
        if isUsual(request, verb) {
            transferDirectly(request, verb)
            if plugs == 0 { submitPending() }
        } else {
            startUnusual(request)
        }
        return request
    }

    @inline(never)
    private mutating func startUnusual(_ request: RequestPointer) {
        route(request, check(request))
    }

    /// A slot that nothing is left in of a former use, but what the caller sets.
    @inline(__always)
    private mutating func take(
        _ verb: BlockOperation, at offset: UInt64, userData: UInt
    ) -> RequestPointer {
        let request = slab.take()
        outstanding &+= 1
        request.pointee.completion.userData = userData
        request.pointee.completion.operation = verb
        request.pointee.completion.offset = offset
        request.pointee.completion.transferred = 0
        request.pointee.completion.failure = nil
        request.pointee.completion.errno = 0
        request.pointee.completion.effect = .unknown
        request.pointee.beginUse()
        if batchClock == 0 { batchClock = monotonicNanoseconds() }
        request.pointee.started = batchClock
        return request
    }

    private mutating func route(_ request: RequestPointer, _ verdict: Verdict) {
        switch verdict {
        case .direct: transferDirectly(request, request.pointee.verb)
        case .slow: startSlowly(request)
        case .done: finish(request, nil)
        case .refused(let code): finish(request, code)
        }
        if plugs == 0 { submitPending() }
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
        counters.kernelRequests &+= 1
        pending.append(request)
    }

    mutating func submitUnlessPlugged() {
        if plugs == 0 { submitPending() }
    }

    private mutating func submitPending() {
        batchClock = 0
        if isClosed { return }
        if !pending.isEmpty {
            engine.submit(&pending, finished: &ended)
            settleEnded()
        }
        // A thread that sleeps on the descriptor would not learn what finishes outside `poll`.
        if !finished.isEmpty { wake() } else { wakeIfStuck() }
    }

    /// Nothing in flight would wake one who sleeps on the descriptor while the system has no
    /// resources for what is pending.
    mutating func wakeIfStuck() {
        if !pending.isEmpty && engine.inFlight == 0 { wake() }
    }

    private mutating func wake() {
        if isWoken { return }
        isWoken = true
        engine.wake()
    }
}

extension IORequest {
    @inline(__always)
    fileprivate mutating func beginUse() {
        phase = .transfer
        route = .poll
        isDurable = false
        attempts = 0
        isCancelled = false
        isFinished = false
        isDirect = false
        isPlain = false
        hasReprobed = false
        isTracked = false
        isExclusive = false
        rangeWay = .first
    }
}

// Apart, so that its local variable costs its callers nothing.
@inline(never)
func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(bitPattern: Int64(now.tv_sec &* 1_000_000_000 &+ now.tv_nsec))
}
