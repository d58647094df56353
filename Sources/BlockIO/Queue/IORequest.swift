import CBlockIO
import Glibc

@usableFromInline package typealias RequestPointer = UnsafeMutablePointer<IORequest>

/// One request of a ``BlockQueue``, in a slot whose address stays the same for the queue's life:
/// the address is the tag that engines hand to the kernel.
///
/// A request is one engine operation at a time. What the engine is to do now stands in `engine`;
/// the pipeline above rewrites it for each piece, retry and fallback.
///
/// A slot that is free is clean: whatever a request leaves in it beyond what every request sets is
/// reset when the slot is given back, so that the usual request has nothing to reset.
@usableFromInline
package struct IORequest {
    package init() {}

    /// What the engine does now, its answer, and the link in the one FIFO that the request is in.
    /// First in the slot, so that both have one address.
    @usableFromInline var operation = cbio_operation()
    /// What the request was made of and what becomes of it: what its completion will say.
    @usableFromInline var completion = BlockCompletion()
    /// The list of a single-buffer request.
    var singleBuffer = iovec()

    // The request as it was made.
    /// Of its own, or `nil` when it goes to the closure given to `poll`.
    var closure: Unmanaged<CompletionClosure>?
    /// The caller's list; not set while the request is plain.
    var vectors: UnsafePointer<iovec>?
    var vectorCount: Int = 0
    /// Counts the completions of the slot, so that an identifier of an earlier use is seen to be
    /// stale.
    @usableFromInline var generation: UInt32 = 0

    // How far it has come.
    /// It ends when the engine has moved all bytes: nothing is to be done before or after, and
    /// nothing beyond what every request sets is to be reset.
    @usableFromInline var isPlain = false
    /// The caller's list goes to the engine as it is.
    @usableFromInline var isDirect = false
    var phase = Phase.transfer
    var route = Route.poll
    var isDurable = false
    /// Retries without progress.
    var attempts: UInt8 = 0
    var isCancelled = false
    var hasReprobed = false
    /// It is in the list of writes under way.
    var isTracked = false
    /// It is counted in ``QueueCore/modifying``.
    var isModifying = false
    /// It is counted in ``QueueCore/composite``.
    var isComposite = false
    /// It is counted in ``QueueCore/pageCacheUsers``.
    var usesPageCache = false
    /// A part of a durable write has been done that only a flush makes stable.
    var owesFlush = false
    var place = Place.elsewhere
    /// Failed without a part of the kernel in it, which has lost nothing.
    package var isTransientFailure = false
    /// The ways to do a discard or to write zeroes that have been tried.
    var rangeWay = RangeWay.first
    /// When the caller made it, in nanoseconds of CLOCK_MONOTONIC: the time of its batch
    /// (``QueueCore/batchClock``). From here on latency is counted, before the engine gets the request.
    @usableFromInline var started: UInt64 = 0
    /// Set when the request goes in pieces of its own making.
    var pieces: UnsafeMutablePointer<PieceTransfer>?
    /// How many of the bytes asked for lie beyond the end of the file. While it is under way, the request's
    /// length is without them.
    var beyond: UInt64 = 0

    // The list of writes that are under way, while the image has an alignment.
    var trackedNext: RequestPointer?
    var trackedPrevious: RequestPointer?
    /// What it holds and waits for; `nil` while that is nothing.
    var ticket: TicketPointer?

    /// The list of the queue that the request is in, as far as it may be taken out of its middle. That it
    /// waits for the engine is said by its operation.
    enum Place: UInt8 {
        case elsewhere
        /// ``QueueCore/heldBack``.
        case heldBack
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
    }

    /// A way to discard or to write zeroes; each is tried after the one before it.
    enum RangeWay: UInt8 {
        case first, punchHole, buffers
    }

    /// What the engine's answer will be the answer to.
    enum Phase: UInt8 {
        /// Waiting for other requests of the queue; nothing is with the engine.
        case blocked
        /// Reading the block around the first or the last byte of a write.
        case readHead, readTail
        /// The bytes themselves.
        case transfer
        /// The bytes of a write behind the last whole block of an image.
        case transferTail
        /// An fdatasync(2), for the requests of the ``FlushGroup``.
        case synchronize
        /// A discard, or a way to write zeroes.
        case range
    }
}

extension IORequest {
    /// Makes the slot clean.
    mutating func reset() {
        completion.failure = nil
        completion.errno = 0
        completion.effect = .unknown
        closure = nil
        isDirect = false
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
    }
}

// The pipeline's names for what the completion says.
extension IORequest {
    package internal(set) var verb: BlockOperation {
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
        get { operation.result }
        set { operation.result = newValue }
    }
    package internal(set) var next: RequestPointer? {
        get { RequestPointer(operation.next) }
        set { operation.next = newValue?.operation }
    }
    package var engine: EngineOrder {
        get { EngineOrder(operation) }
        set { newValue.put(into: &operation) }
    }
}

// Where the parts of a slot are. They follow each other, and each is aligned to 8 bytes.
extension RequestPointer {
    @inline(__always)
    @inlinable
    init?(_ operation: UnsafeMutablePointer<cbio_operation>?) {
        guard let operation else { return nil }
        self = UnsafeMutableRawPointer(operation).assumingMemoryBound(to: IORequest.self)
    }

    @inline(__always)
    @inlinable
    var operation: UnsafeMutablePointer<cbio_operation> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: cbio_operation.self)
    }

    /// What was plain turns out not to be: from here on it is handled, and its slot reset, like any
    /// other. Field by field, because an engine's thread may be writing its answer.
    func makeUnusual() {
        guard pointee.isPlain else { return }
        pointee.isPlain = false
        pointee.vectors = UnsafePointer(operation.pointee.vectors)
        pointee.vectorCount = Int(operation.pointee.vector_count)
        pointee.completion.transferred = 0
        pointee.isModifying = pointee.verb == .write
    }

    /// It moves bytes.
    var isTransfer: Bool { operation.pointee.verb < CBIO_SYNC }

    /// It moves bytes, and no more than so many.
    func isTransfer(upTo limit: UInt64) -> Bool {
        operation.pointee.verb < CBIO_SYNC && operation.pointee.length <= limit
    }

    /// The list of a single-buffer request.
    var singleBuffer: UnsafePointer<iovec> {
        let offset =
            MemoryLayout<cbio_operation>.stride + MemoryLayout<BlockCompletion>.stride
        return (UnsafeRawPointer(self) + offset).assumingMemoryBound(to: iovec.self)
    }
}

/// What an engine is asked to do: bytes, a sync, or one of the slow calls that engines give to
/// helper threads.
package struct EngineOrder {
    package var operation = Operation.read
    package var isDurable = false
    package var vectorCount: UInt32 = 0
    package var vectors: UnsafePointer<iovec>?
    /// Byte in the image; the new size for `truncate`.
    package var position: UInt64 = 0
    /// Bytes concerned; the sum of the vectors' lengths for the first two and `bufferedWrite`.
    package var length: UInt64 = 0

    /// The first three as the C side numbers them.
    package enum Operation: UInt8 {
        case read, write, synchronize
        case bufferedWrite, punchHole, zeroRange, deviceDiscard, deviceZero, truncate
        /// `synchronize` for an image that has a buffered descriptor beside its direct one.
        case synchronizeBoth

        /// Has no asynchronous form in the kernel: a helper thread calls it.
        var needsHelper: Bool { rawValue > Operation.synchronize.rawValue }
    }
}

extension EngineOrder {
    /// A call about a range, without memory.
    package init(_ operation: Operation, at position: UInt64, length: UInt64) {
        self.init(operation: operation, position: position, length: length)
    }

    init(_ operation: cbio_operation) {
        self.operation = Operation(rawValue: operation.verb).unsafelyUnwrapped
        isDurable = operation.is_durable
        vectorCount = operation.vector_count
        vectors = operation.vectors
        position = operation.position
        length = operation.length
    }

    func put(into target: inout cbio_operation) {
        target.verb = operation.rawValue
        target.is_durable = isDurable
        target.vector_count = vectorCount
        target.vectors = vectors
        target.position = position
        target.length = length
    }
}

/// Holds an escaping closure, so that a slot can refer to it by one pointer.
final class CompletionClosure {
    let body: (BlockCompletion) -> Void
    init(_ body: @escaping (BlockCompletion) -> Void) { self.body = body }
}
