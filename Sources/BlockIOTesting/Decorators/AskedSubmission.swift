import BlockIO

/// An engine submission, for a decorator that decides what happens to it.
struct AskedSubmission {
    let request: RequestPointer

    var submission: EngineSubmission { request.pointee.submission }

    /// Which of the image's host files it is for.
    var file: Int { request.pointee.file }

    /// The operation that a rule names it by; a read that is made for a partial write is a read.
    var operation: BlockOperation {
        switch submission.kind {
        case .read: .read
        case .write, .bufferedWrite: .write
        case .synchronize, .synchronizeBoth: .flush
        default: request.pointee.operation
        }
    }
}
