public import BlockHost
public import CBlockIO
import Glibc

/// A request's slot. The address stays the same for the queue's life, and is that of the submission in it.
///
/// A slot is initialized from the moment in which ``RequestSlab`` makes it, and the slab gives back only slots
/// that no request is in. Whatever holds such a pointer holds it for a request that has not been delivered.
@usableFromInline package typealias RequestPointer = StablePointer<IORequest>

// Where the parts of a slot are: `IORequest.isLaidOutAsAssumed` is checked when a queue is opened.
//
// The fast path, which is inlined into callers, uses the first two.
extension RequestPointer {
    @unsafe
    @inline(__always)
    @inlinable
    init?(_ submission: UnsafeMutablePointer<cbio_submission>?) {
        guard let submission = unsafe submission else { return nil }
        // Swift makes no submission but the one at the start of each slot.
        unsafe self.init(
            UnsafeMutableRawPointer(submission).assumingMemoryBound(to: IORequest.self))
    }

    @inline(__always)
    @inlinable
    var cSubmission: UnsafeMutablePointer<cbio_submission> {
        unsafe UnsafeMutableRawPointer(base).assumingMemoryBound(to: cbio_submission.self)
    }

    /// The list of a request that was made with one buffer.
    var singleBufferList: IOVectorList {
        unsafe IOVectorList(
            (UnsafeRawPointer(base) + IORequest.singleBufferOffset)
                .assumingMemoryBound(to: iovec.self), count: 1)
    }
}

extension RequestPointer {
    /// Takes a request from the fast path to the general path, where its slot is reset like any other.
    /// Field by field, because an engine's thread may be writing its answer.
    func makeGeneral() {
        guard pointee.isFast else { return }
        pointee.isFast = false
        pointee.vectors = unsafe IOVectorList(
            pointee.cSubmission.vectors, count: Int(pointee.cSubmission.vector_count))
        pointee.completion.transferred = 0
        pointee.isModifying = pointee.operation == .write
    }

    /// Whether its submission is a read or a write that a kernel queue takes.
    var isTransfer: Bool { pointee.cSubmission.kind < CBIO_SYNC }

    /// Whether its submission is a transfer of at most `limit` bytes.
    func isTransfer(upTo limit: UInt64) -> Bool {
        pointee.cSubmission.kind < CBIO_SYNC && pointee.cSubmission.length <= limit
    }
}
