import BlockHost
import CBlockIO
import Glibc

/// The state of a queue, and the way of a request through it:
///
///     fast path:     start ---------------------------------> pending -> engine -> answered -> completed -> deliver
///     general path:  start -> check -> (format) -> prepare -> pending -> engine -> answered -> completed -> deliver
///                                                    ^                                |
///                                                    +--- next piece, retry, fallback +
///
/// `pending`, `answered` and `completed` are lists (``RequestFIFO``). The *fast path* is that of a read or
/// a write which is one submission with the caller's own list and needs no state of its slot beyond that
/// submission. QueueCore+FastPath.swift has all of it, with the lists. All other requests take the
/// *general path*, whose stations are in the other files named QueueCore+Station: Check, Format, Transfer,
/// Range, Settle, RateLimits, and Follow for what waits for other requests. Everything that does not depend on the
/// engine happens here, once.
///
/// In an image with a format, a request of the guest is not given to the engine. It is made into *child
/// requests* for the host files, each of which goes the same way as a request of an image without a format.
///
/// What a request waits for is its phase (``IORequest/Phase``). One on the fast path is in `transfer`
/// from start to completion. On the general path:
///
/// | phase | event | next phase |
/// |---|---|---|
/// | start | the check refuses the request, or finds nothing to do | completed |
/// | start | the request is a guest's, in an image with a format | `children` |
/// | start | the caller's list can be submitted as it is | `transfer` |
/// | start | a transfer has to bounce, or to go in pieces | `readHead`, `readTail`, `transfer` or `transferTail`: the first that it needs |
/// | start | a flush, and no flush of the file is under way | `synchronize` |
/// | start | a discard, a write of zeroes or a resize | `range` |
/// | start | an earlier write, flush or resize is in the way, or writes are in the way of a resize | `blocked` |
/// | start | a rate limit of the image is exceeded | `blocked` |
/// | `blocked` | what was in the way has completed, or the limit lets the request through | as from start |
/// | `readHead` | the block around the first byte has been read | `readTail` or `transfer` |
/// | `readTail` | the block around the last byte has been read | `transfer` |
/// | `transfer` | a part of the bytes has been moved | `transfer` for the next piece, `transferTail` for the bytes behind the last whole block |
/// | `transferTail` | a part of its bytes has been written | `transferTail` |
/// | `transfer`, `transferTail` | all bytes have been moved | completed; `synchronize` or `blocked` where only a flush makes a durable write stable |
/// | `synchronize` | the engine answers | completed, with all requests that joined the flush |
/// | `range` | the call succeeds | completed; `synchronize` or `blocked` for durable zeroes |
/// | `range` | there is no such call here | completed for a discard; `range` or `transfer` by another way for zeroes |
/// | `children` | the last child completes, and nothing is left to ask the format | completed |
/// | any with the engine | EINTR, EAGAIN | the same, submitted again |
/// | all but `range` and `synchronize` | EINVAL on a direct file, for the first time | as from start, by the alignment that the file demands now |
/// | any with the engine | another error | completed, with the error |
/// | any | the request is cancelled | completed: at once while the queue has it, otherwise when the engine answers |
///
/// The slot and the phases of a guest's request while it is in `children` are ``GuestWork``'s.
///
/// What the fast path uses, which is inlined into callers, is usable from inline code.
@usableFromInline
struct QueueCore: ~Copyable {
    let image: BlockImage
    let engine: ActiveEngine
    let bounceLimit: Int
    /// What the queue agrees on with the other queues of the image; `nil` where there can be none that
    /// writes.
    let group: QueueGroup?
    /// The number of the queue in the group.
    var member = 0
    /// A resize of this queue is not the first in the group, or others have requests that come before it.
    var awaitsTurn = false
    /// A resize of another queue holds back requests of this one.
    var isHeldByGroup = false
    /// Notices of other queues end a wait of this one.
    var listensToGroup = false
    /// What waits because of a rate limit of the image.
    var throttled = ThrottledRequests()
    /// Another queue waits to be told that no request of this one changes the image. Counted as composite.
    var owesSettled = false

    /// Those of the one file of an image without a format, a copy of what its state has. With a format or
    /// rate limits the size is 0 here, so that no request takes the fast path.
    @usableFromInline var limits = TransferLimits()

    /// What is kept for each host file, in the order of ``BlockImage/files``.
    @usableFromInline let files: FileStates
    /// Finds the bytes of the image in its files; `nil` for an image without a format.
    let layout: (any ImageFormat)?
    /// The index in `files` of the state that the guest's own requests use: the only file's, or with a
    /// format the one behind those of the files.
    let guest: UInt8
    /// How many requests of the format's own that change a file have completed.
    var formatChanges: UInt64 = 0
    /// Memory of guest requests that have completed, for later ones.
    var unusedWork: [StablePointer<GuestWork>] = []

    var slab: RequestSlab
    @usableFromInline var free = FreeSlots()
    /// To be given to the engine, in order.
    @usableFromInline var pending = RequestFIFO()
    /// Answered by the engine, and not settled.
    var answered = RequestFIFO()
    /// Completed, and not delivered by `poll`.
    @usableFromInline var completed = RequestFIFO()
    /// Requests that waited for others and may go on.
    var runnable = RequestFIFO()
    /// Requests in an image with a format that have had their share of time for now.
    var postponed = RequestFIFO()
    /// How many requests under way take several submissions, or wait for others. While there are any,
    /// each answer of the engine may be what the next submission waits for.
    var composite = 0
    /// How many requests have been started and not been delivered, or taken by a caller that waits.
    @usableFromInline var outstanding = 0

    /// How many batches are open, one inside the other.
    var plugs = 0
    /// The thread that the queue belongs to, and 0 before its first use; `nil` for a shared queue.
    private var owner: UInt?
    /// No more requests are taken.
    @usableFromInline var isClosing = false
    /// The engine is gone.
    var isClosed = false
    /// The descriptor has been made readable for `completed`.
    var isWoken = false
    let mailbox: Mailbox
    /// How often a call of another thread, as of ``BlockQueue/remote``, has been found in the mailbox.
    var remoteCalls: UInt64 = 0
    /// One has been found by the `collect` that is about to wait although nothing is under way.
    var isCalledBeforeIdling = false
    var counters = BlockStatistics()
    let latencies = LatencyRecorder()
    /// CLOCK_MONOTONIC of the batch that is being made; 0 until its first request, and while
    /// nothing defers submission.
    @usableFromInline var batchClock: UInt64 = 0

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        self.image = image
        engine = try ActiveEngine(image: image, options: options)
        group = image.group
        owner = options.threading == .owned ? 0 : nil
        bounceLimit = options.bounceLimit
        layout = image.layout
        guest = layout == nil ? 0 : UInt8(image.files.count)
        slab = RequestSlab()
        mailbox = Mailbox()
        files = FileStates(image, image.engine)
        makeRoom()
        allowFastWrites()
        for index in 0..<files.count { adoptGeometry(files[index]) }
    }

    /// What is kept for the file that a request is for.
    @inline(__always)
    func file(of request: RequestPointer) -> StablePointer<FileState> {
        files[Int(request.pointee.cSubmission.file)]
    }

    /// Whether a state is that of the guest's requests of an image with a format.
    func isForGuest(_ state: StablePointer<FileState>) -> Bool {
        layout != nil && state == files[Int(guest)]
    }

    /// Takes over size and alignment after the file's have changed.
    mutating func adoptGeometry(_ state: StablePointer<FileState>) {
        // A guest's bytes are where the format puts them: that of the file counts there.
        let alignment = isForGuest(state) ? .none : state.pointee.host.alignment
        if UInt(alignment.offset - 1) != state.pointee.limits.offsetMask {
            if let group, group.sharesWrites {
                group.adoptBlockSize()
            } else {
                state.pointee.tracked.blockSizeChanged()
            }
        }
        let now = TransferLimits(
            memoryMask: UInt(alignment.memory - 1), offsetMask: UInt(alignment.offset - 1),
            size: isForGuest(state) ? image.contentSize : state.pointee.host.size)
        state.pointee.limits = now
        state.pointee.wholeBlocksEnd = now.size & ~UInt64(now.offsetMask)
        if layout == nil { limits = throttled.isLimited ? TransferLimits() : now }
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
        if request.pointee.cSubmission.is_durable { countDurable(request) }
        if file(of: request).pointee.needsHelpers { counters.helperOperations &+= 1 }
        request.pointee.cSubmission.is_pending = true
        pending.append(request)
    }

    /// Some of what was collected has not been delivered: whoever sleeps on the descriptor is told of it.
    mutating func announceRest() {
        if !isClosed && !completed.isEmpty { wake() }
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
