import Glibc

typealias RequestPointer = UnsafeMutablePointer<IORequest>

/// One request of a ``BlockQueue``, in a slot whose address stays the same for the queue's life:
/// the address is the tag that engines hand to the kernel.
///
/// A request is one engine operation at a time. What the engine is to do now stands in the first
/// group; the pipeline above rewrites it when a transfer was short or has to go in pieces.
struct IORequest {
    /// The list of a single-buffer request. First in the slot, so that the slot's address is the
    /// list's.
    var singleBuffer = iovec()

    // What the engine does now, and its answer.
    var operation = BlockOperation.read
    var isDurable = false
    var vectorCount: UInt32 = 0
    var vectors: UnsafePointer<iovec>?
    var position: UInt64 = 0
    /// Bytes in `vectors`.
    var pieceLength: Int64 = 0
    /// Bytes moved, or -errno.
    var result: Int64 = 0
    /// Link in the one FIFO that the request is in.
    var next: RequestPointer?

    // The request as it was made.
    var route = Route.poll
    var failure: BlockError.Code?
    var errno: CInt = 0
    var callerVectorCount: Int = 0
    var callerVectors: UnsafePointer<iovec>?
    var offset: UInt64 = 0
    var length: UInt64 = 0
    var userData: UInt = 0
    /// Of its own, or `nil` when it goes to the closure given to `poll`.
    var closure: Unmanaged<CompletionClosure>?

    // How far it has come.
    var moved: UInt64 = 0
    /// Elements that have been moved whole, and bytes of the next one.
    var elementsDone: Int = 0
    var bytesOfElementDone: Int = 0
    /// A list of our own, when a transfer resumes inside an element.
    var scratch: UnsafeMutablePointer<iovec>?

    /// Where a completion goes.
    enum Route: UInt8 {
        /// To `poll`: to the request's own closure, or to the one given there.
        case poll
        /// To a caller that waits on this very request.
        case waiter
        /// That caller may take it: done.
        case waiterDone
    }
}

/// Holds an escaping closure, so that a slot can refer to it by one pointer.
final class CompletionClosure {
    let body: (BlockCompletion) -> Void
    init(_ body: @escaping (BlockCompletion) -> Void) { self.body = body }
}
