import Glibc

typealias RequestPointer = UnsafeMutablePointer<IORequest>

/// One request of a ``BlockQueue``, in a slot whose address stays the same for the queue's life:
/// the address is the tag that engines hand to the kernel.
///
/// A request is one engine operation at a time. What the engine is to do now stands in `engine`;
/// the pipeline above rewrites it for each piece, retry and fallback.
struct IORequest {
    /// The list of a single-buffer request. First in the slot, so that the slot's address is the
    /// list's.
    var singleBuffer = iovec()

    /// What the engine does now.
    var engine = EngineOrder()
    /// The engine's answer: bytes moved, or -errno.
    var result: Int64 = 0
    /// Link in the one FIFO that the request is in.
    var next: RequestPointer?

    // The request as it was made.
    var verb = BlockOperation.read
    var route = Route.poll
    var isDurable = false
    /// Of its own, or `nil` when it goes to the closure given to `poll`.
    var closure: Unmanaged<CompletionClosure>?
    var userData: UInt = 0
    var vectors: UnsafePointer<iovec>?
    var vectorCount: Int = 0
    var offset: UInt64 = 0
    var length: UInt64 = 0
    /// Counts the uses of the slot, so that an identifier of an earlier use is seen to be stale.
    var generation: UInt32 = 0

    // How far it has come.
    var phase = Phase.transfer
    var failure: BlockError.Code?
    var errno: CInt = 0
    var effect = RangeEffect.unknown
    var moved: UInt64 = 0
    /// Retries without progress.
    var attempts: UInt8 = 0
    var isCancelled = false
    /// Its completion stands; it waits to be delivered.
    var isFinished = false
    /// The caller's list goes to the engine as it is.
    var isDirect = false
    var hasReprobed = false
    /// When the engine got it, in nanoseconds of CLOCK_MONOTONIC.
    var started: UInt64 = 0
    /// Set when the request goes in pieces of its own making.
    var pieces: UnsafeMutablePointer<PieceTransfer>?
    /// A list that the pipeline has made: zeroes to be written.
    var ownVectors: UnsafeMutablePointer<iovec>?
    /// The ways to do a discard or to write zeroes that have been tried.
    var rangeWay = RangeWay.first

    // The list of writes that are under way, while the image has an alignment.
    var isTracked = false
    /// Excludes every other write from its blocks: it reads, modifies and writes some.
    var isExclusive = false
    var trackedNext: RequestPointer?
    var trackedPrevious: RequestPointer?

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
        /// Waiting for an overlapping write; nothing is with the engine.
        case blocked
        /// Reading the block around the first or the last byte of a write.
        case readHead, readTail
        /// The bytes themselves.
        case transfer
        /// The bytes of a write behind the last whole block of an image.
        case transferTail
        /// The flush after a write whose FUA the kernel does not know.
        case durability
        /// A discard, or a way to write zeroes.
        case range
    }
}

/// What an engine is asked to do: bytes, a sync, or one of the slow calls that engines give to
/// helper threads.
struct EngineOrder {
    var operation = Operation.read
    var isDurable = false
    var vectorCount: UInt32 = 0
    var vectors: UnsafePointer<iovec>?
    /// Byte in the image; the new size for `truncate`.
    var position: UInt64 = 0
    /// Bytes concerned; the sum of the vectors' lengths for the first two and `bufferedWrite`.
    var length: UInt64 = 0

    enum Operation: UInt8 {
        case read, write, synchronize
        case bufferedWrite, punchHole, zeroRange, deviceDiscard, deviceZero, truncate

        /// Has no asynchronous form in the kernel: a helper thread calls it.
        var needsHelper: Bool { rawValue > Operation.synchronize.rawValue }
    }
}

/// Holds an escaping closure, so that a slot can refer to it by one pointer.
final class CompletionClosure {
    let body: (BlockCompletion) -> Void
    init(_ body: @escaping (BlockCompletion) -> Void) { self.body = body }
}
