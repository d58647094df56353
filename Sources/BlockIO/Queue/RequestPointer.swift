import CBlockIO
import Glibc

/// A request's slot. The address stays the same for the queue's life, and is that of the submission in it.
@usableFromInline package typealias RequestPointer = UnsafeMutablePointer<IORequest>

// Where the parts of a slot are: `IORequest.isLaidOutAsAssumed` is checked when a queue is opened.
//
// The fast path, which is inlined into callers, uses the first two.
extension RequestPointer {
    @inline(__always)
    @inlinable
    init?(_ submission: UnsafeMutablePointer<cbio_submission>?) {
        guard let submission else { return nil }
        self = UnsafeMutableRawPointer(submission).assumingMemoryBound(to: IORequest.self)
    }

    @inline(__always)
    @inlinable
    var cSubmission: UnsafeMutablePointer<cbio_submission> {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: cbio_submission.self)
    }

    /// The list of a request that was made with one buffer.
    var singleBuffer: UnsafePointer<iovec> {
        (UnsafeRawPointer(self) + IORequest.singleBufferOffset).assumingMemoryBound(to: iovec.self)
    }
}

extension RequestPointer {
    /// Takes a request from the fast path to the general path, where its slot is reset like any other.
    /// Field by field, because an engine's thread may be writing its answer.
    func makeGeneral() {
        guard pointee.isFast else { return }
        pointee.isFast = false
        pointee.vectors = UnsafePointer(cSubmission.pointee.vectors)
        pointee.vectorCount = Int(cSubmission.pointee.vector_count)
        pointee.completion.transferred = 0
        pointee.isModifying = pointee.operation == .write
    }

    /// Whether its submission is a read or a write that a kernel queue takes.
    var isTransfer: Bool { cSubmission.pointee.kind < CBIO_SYNC }

    /// Whether its submission is a transfer of at most `limit` bytes.
    func isTransfer(upTo limit: UInt64) -> Bool {
        cSubmission.pointee.kind < CBIO_SYNC && cSubmission.pointee.length <= limit
    }
}
