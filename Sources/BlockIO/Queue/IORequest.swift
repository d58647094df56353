public import BlockHost
public import CBlockIO
import Glibc

/// One request of a ``BlockQueue``, in a slot whose address stays the same for the queue's life:
/// the address is the tag that engines hand to the kernel.
///
/// A request is one engine submission at a time: `submission`. The pipeline writes it anew for each piece,
/// retry and fallback.
///
/// A slot that is free is clean: whatever a request leaves in it beyond what every request sets is
/// reset when the slot is given back, so that a request on the fast path has nothing to reset.
///
/// What the fast path uses, which is inlined into callers, is usable from inline code.
@usableFromInline
package struct IORequest {
    package init() {}

    /// The engine submission that the request is now, the answer to it, and the link in the one FIFO that
    /// the request is in. First in the slot, so that both have one address: see `isLaidOutAsAssumed`.
    @usableFromInline var cSubmission = cbio_submission()
    /// What the request asks for and what becomes of it: what its completion will say.
    @usableFromInline var completion = BlockCompletion()
    /// The list of a request that was made with one buffer.
    var singleBuffer = unsafe IOVector(iovec())

    // The request as it was made.
    /// Of its own, or `nil` when it goes to the closure given to `poll`.
    var closure: RetainedClosure?
    /// The caller's list; not set while the request is on the fast path.
    var vectors = IOVectorList()
    /// Counts the completions of the slot, so that an identifier of an earlier use is seen to be
    /// stale.
    @usableFromInline var generation: UInt32 = 0

    // How far it has come.
    /// It is on the fast path: it completes when the engine has moved all bytes, nothing is to be done
    /// before or after, and nothing beyond what every request sets is to be reset.
    @usableFromInline var isFast = false
    /// It is one submission with the caller's list as it is.
    @usableFromInline var submitsList = false
    var phase = Phase.transfer
    var route = Route.poll
    var isDurable = false
    /// Retries without progress.
    var attempts: UInt8 = 0
    var isCancelled = false
    var hasReprobed = false
    /// It is in the list of writes under way.
    var isTracked = false
    /// It is counted in ``FileState/modifying``.
    var isModifying = false
    /// It is counted in ``QueueCore/composite``.
    var isComposite = false
    /// It is counted in ``HostFile/beginPageCacheUse()``.
    var usesPageCache = false
    /// A part of a durable write has been done that only a flush makes stable.
    var owesFlush = false
    /// The rate limits of the image have let it go on.
    var hasPassedLimits = false
    var place = Place.elsewhere
    /// The engine's answer is an error that the kernel has no part in: nothing that was written is lost.
    package var isTransientFailure = false
    /// The ways to do a discard or to write zeroes that have been tried.
    var rangeWay = RangeWay.first
    /// Of a write of zeroes.
    var zeroOptions = ZeroOptions()
    /// When the caller made it, in nanoseconds of CLOCK_MONOTONIC: the time of its batch
    /// (``QueueCore/batchClock``). Latency counts from here, and so includes the wait for the engine.
    @usableFromInline var started: UInt64 = 0
    /// Set when the request goes in pieces of its own making.
    var pieces: StablePointer<PieceTransfer>?
    /// How many of the bytes asked for lie beyond the end of the file. While it is under way, the request's
    /// length is without them.
    var beyond: UInt64 = 0

    // What it has to do with a format.
    /// How far the format has been asked about it; `nil` unless it is a guest's request of an image that
    /// has a format.
    var work: StablePointer<GuestWork>?
    /// What a child request is to the request that it was made for.
    var child = ChildLink()

    // The list of writes that are under way, while the image has an alignment.
    var trackedNext: RequestPointer?
    var trackedPrevious: RequestPointer?
    /// What it holds and waits for; `nil` while that is nothing.
    var ticket: TicketPointer?
    // Of a write in the list that the queues of an image share, under the lock of their group.
    /// The number of its queue.
    var member: UInt8 = 0
    /// It waits no longer, and its queue has not taken it (``QueueGroup/Member/released``).
    var isReleased = false

    /// The list of the queue that the request is in, among those from whose middle requests are taken. That
    /// it is in ``QueueCore/pending`` is marked in `cSubmission`.
    enum Place: UInt8 {
        case elsewhere
        /// ``FileState/heldBack``.
        case heldBack
        /// ``QueueCore/throttled``.
        case throttled
        /// ``FlushGroup/joined``.
        case joinedFlush
        /// ``FlushGroup/waiting``.
        case waitingForFlush
    }

    /// Where a completion goes.
    enum Route: UInt8 {
        /// To `poll`: to the request's own closure, or to the one given there.
        case poll
        /// To a caller that waits on this very request.
        case waiter
        /// That caller may take it: done.
        case waiterDone
        /// To the guest's request that it is a child of.
        case guest
    }

    /// A way to discard or to write zeroes; each is tried after the one before it.
    enum RangeWay: UInt8 {
        case first, second, buffers
    }

    /// What the request waits for. ``QueueCore`` has the table of phases.
    enum Phase: UInt8 {
        /// Waiting for other requests, or because of a rate limit; nothing is with the engine.
        case blocked
        /// Reading the block around the first or the last byte of a write.
        case readHead, readTail
        /// The bytes themselves.
        case transfer
        /// Writing the bytes behind the last whole block of an image.
        case transferTail
        /// An fdatasync(2), for the requests of the ``FlushGroup``.
        case synchronize
        /// A discard, or a way to write zeroes.
        case range
        /// Waiting for its children; nothing of its own is with the engine.
        case children
    }
}

extension IORequest {
    /// Makes the slot clean.
    mutating func reset() {
        completion.failure = nil
        completion.errno = 0
        completion.effect = .unknown
        closure = nil
        submitsList = false
        phase = .transfer
        route = .poll
        isDurable = false
        attempts = 0
        isCancelled = false
        hasReprobed = false
        isTracked = false
        isModifying = false
        isComposite = false
        usesPageCache = false
        owesFlush = false
        beyond = 0
        place = .elsewhere
        rangeWay = .first
        zeroOptions = []
        cSubmission.file = 0
        work = nil
        child = ChildLink()
    }
}

// The pipeline's names for what the completion says.
extension IORequest {
    package internal(set) var operation: BlockOperation {
        get { completion.operation }
        set { completion.asked.operation = newValue }
    }
    var offset: UInt64 { completion.offset }
    var length: UInt64 {
        get { completion.length }
        set { completion.asked.length = newValue }
    }
    var moved: UInt64 {
        get { completion.transferred }
        set { completion.transferred = newValue }
    }
    var failure: BlockError.Code? {
        get { completion.failure }
        set { completion.failure = newValue }
    }
    var errno: CInt {
        get { completion.errno }
        set { completion.errno = newValue }
    }
    var effect: RangeEffect {
        get { completion.effect }
        set { completion.effect = newValue }
    }

    /// The engine's answer: bytes moved, or -errno.
    package var result: Int64 {
        get { cSubmission.result }
        set { cSubmission.result = newValue }
    }
    /// Index of the host file that the engine is asked about.
    package var file: Int { Int(cSubmission.file) }
    /// The one behind it in its list.
    @usableFromInline
    package internal(set) var next: RequestPointer? {
        @inline(__always) @inlinable get { unsafe RequestPointer(cSubmission.next) }
        @inline(__always) @inlinable set { unsafe cSubmission.next = newValue?.cSubmission }
    }
    /// The one before it in its list, if that keeps both links and it is not the first.
    var previous: RequestPointer? {
        get { unsafe RequestPointer(cSubmission.previous) }
        set { unsafe cSubmission.previous = newValue?.cSubmission }
    }
    /// What the engine is asked to do now.
    package var submission: EngineSubmission {
        get { EngineSubmission(cSubmission) }
        set { newValue.put(into: &cSubmission) }
    }
}

extension IORequest {
    /// What ``RequestPointer`` assumes about the places of the parts of a slot.
    static var isLaidOutAsAssumed: Bool {
        MemoryLayout<IORequest>.offset(of: \.cSubmission) == 0
            && MemoryLayout<IORequest>.offset(of: \.singleBuffer) == singleBufferOffset
    }

    /// Where the list of a request with one buffer is. The parts before it are aligned to 8 bytes.
    static var singleBufferOffset: Int {
        MemoryLayout<cbio_submission>.stride + MemoryLayout<BlockCompletion>.stride
    }
}
