import CBlockIO

/// What the pipeline asks an engine to do for one host file: a transfer, a sync, or one of the calls
/// that engines leave to helper threads.
package struct EngineSubmission {
    /// What is to be done.
    package var kind = Kind.read
    /// For a write: its bytes are to be stable when it is answered (RWF_DSYNC).
    package var isDurable = false
    /// The memory of a transfer; empty for the other kinds.
    package var list = IOVectorList()
    /// Byte in the host file; the new size for `truncate`.
    package var position: UInt64 = 0
    /// Bytes concerned. For a transfer, the sum of the lengths of its vectors.
    package var length: UInt64 = 0

    /// What an engine can be asked to do. The first three have the numbers that the C side gives them.
    package enum Kind: UInt8 {
        /// preadv(2), pwritev(2) and fdatasync(2), for which kernel queues have asynchronous forms.
        case read, write, synchronize
        /// A pwritev(2) through the page cache, of the bytes behind the last whole block.
        case bufferedWrite
        /// fallocate(2) with FALLOC_FL_PUNCH_HOLE and FALLOC_FL_ZERO_RANGE.
        case punchHole, zeroRange
        /// ioctl(2) BLKDISCARD and BLKZEROOUT.
        case deviceDiscard, deviceZero
        /// ftruncate(2).
        case truncate
        /// `synchronize` by a thread: for a host file that has a buffered descriptor beside its direct one, and
        /// for one whose image may have several queues, of which one at a time makes the call.
        case synchronizeBoth

        /// Whether the kernel has no asynchronous form of it, so that a helper thread makes the call.
        var needsHelper: Bool { rawValue > Kind.synchronize.rawValue }
    }
}

extension EngineSubmission {
    /// A call about a range, without memory.
    package init(_ kind: Kind, at position: UInt64, length: UInt64) {
        self.init(kind: kind, position: position, length: length)
    }

    init(_ submission: cbio_submission) {
        // `put(into:)` and the fast path write it, and nobody else.
        kind = unsafe Kind(rawValue: submission.kind).unsafelyUnwrapped
        isDurable = submission.is_durable
        list = unsafe IOVectorList(submission.vectors, count: Int(submission.vector_count))
        position = submission.position
        length = submission.length
    }

    func put(into target: inout cbio_submission) {
        target.kind = kind.rawValue
        target.is_durable = isDurable
        target.vector_count = UInt16(truncatingIfNeeded: list.count)
        unsafe target.vectors = list.base
        target.position = position
        target.length = length
    }
}
