import BlockHost
import CBlockIO
import Glibc

/// The state of a queue. Each request goes one way through it:
///
///     start -> check -> (pending) -> engine -> settle -> (finished) -> deliver
///
/// In an image with a format, a request of the guest is none of the engine's: behind `check` it is made
/// into *child requests* for the host files (QueueCore+Format), each of which goes the same way.
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

    // Of the one file of an image without a format, copies of what its state has. With a format the size
    // is 0 here, so that no request goes the short way.
    @usableFromInline var memoryMask: UInt = 0
    @usableFromInline var offsetMask: UInt = 0
    @usableFromInline var size: UInt64 = 0

    /// What is kept for each host file, in the order of ``BlockImage/files``.
    @usableFromInline let files: FileStates
    /// Finds the bytes of the image in its files; `nil` for an image without a format.
    let layout: (any ImageFormat)?
    /// The state that the guest's own requests are for: the only file's, or with a format one behind those
    /// of the files.
    let guest: UInt8
    /// How many requests of the format's own that change a file have ended.
    var formatChanges: UInt64 = 0
    /// Memory of guest requests that have ended, for later ones.
    var unusedWork: [UnsafeMutablePointer<GuestWork>] = []

    var slab: RequestSlab
    @usableFromInline var free = FreeSlots()
    /// To be given to the engine, in order.
    @usableFromInline var pending = RequestFIFO()
    /// Back from the engine, not looked at.
    var ended = RequestFIFO()
    /// Done, and not yet delivered by `poll`.
    @usableFromInline var finished = RequestFIFO()
    /// What waited for others and may go on.
    var runnable = RequestFIFO()
    /// Requests in an image with a format that have had their share of time for now.
    var postponed = RequestFIFO()
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
        layout = image.layout
        guest = layout == nil ? 0 : UInt8(image.files.count)
        let kind = image.engine
        var states = image.files.map { FileState($0, needsHelpers: !kind.serves($0)) }
        if layout != nil { states.append(FileState(image.activeFile, needsHelpers: false)) }
        slab = RequestSlab()
        mailbox = Mailbox()
        files = FileStates(states)
        makeRoom()
        for index in 0..<files.count { adoptGeometry(files[index]) }
    }

    /// What is kept for the file that a request is for.
    @inline(__always)
    func file(of request: RequestPointer) -> UnsafeMutablePointer<FileState> {
        files.base + Int(request.operation.pointee.file)
    }

    /// Whether a state is that of the guest's requests of an image with a format.
    func isForGuest(_ state: UnsafeMutablePointer<FileState>) -> Bool {
        layout != nil && state == files[Int(guest)]
    }

    /// Takes over size and alignment after the file's have changed.
    mutating func adoptGeometry(_ state: UnsafeMutablePointer<FileState>) {
        // A guest's bytes are where the format puts them: that of the file counts there.
        let alignment = isForGuest(state) ? .none : state.pointee.host.alignment
        if UInt(alignment.offset - 1) != state.pointee.offsetMask {
            state.pointee.tracked.blockSizeChanged()
        }
        state.pointee.memoryMask = UInt(alignment.memory - 1)
        state.pointee.offsetMask = UInt(alignment.offset - 1)
        state.pointee.size = isForGuest(state) ? image.contentSize : state.pointee.host.size
        state.pointee.wholeBlocksEnd = state.pointee.size & ~UInt64(state.pointee.offsetMask)
        guard layout == nil else { return }
        memoryMask = state.pointee.memoryMask
        offsetMask = state.pointee.offsetMask
        size = state.pointee.size
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
        request.operation.pointee.file = guest
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
        let state = file(of: request)
        if state.pointee.barrier != nil && request.pointee.verb.changesImage {
            return holdBack(request)
        }
        switch verdict {
        case .direct where isForGuest(state), .slow where isForGuest(state):
            countModifying(request, state)
            enterFormat(request)
        case .direct:
            countModifying(request, state)
            transferDirectly(request)
        case .slow:
            countModifying(request, state)
            startSlowly(request)
        case .done: finish(request, nil)
        case .refused(let code): finish(request, code)
        }
    }

    private mutating func countModifying(
        _ request: RequestPointer, _ state: UnsafeMutablePointer<FileState>
    ) {
        guard request.pointee.verb.changesImage, request.pointee.verb != .resize else { return }
        request.pointee.isModifying = true
        state.pointee.modifying &+= 1
    }

    private mutating func take(
        _ verb: BlockOperation, at offset: UInt64, userData: UInt
    ) -> RequestPointer {
        outstanding &+= 1
        let request = takeSlot(verb, at: offset)
        request.pointee.completion.asked.userData = userData
        readBatchClock()
        request.pointee.started = batchClock
        return request
    }

    /// A slot for a request that counts for nobody.
    mutating func takeSlot(_ verb: BlockOperation, at offset: UInt64) -> RequestPointer {
        makeRoom()
        let request = free.take().unsafelyUnwrapped
        request.pointee.isPlain = false
        request.pointee.isModifying = false
        request.pointee.completion.asked.operation = verb
        request.pointee.completion.asked.offset = offset
        request.pointee.completion.transferred = 0
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
        if file(of: request).pointee.needsHelpers { counters.helperOperations &+= 1 }
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

    mutating func wake() {
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
