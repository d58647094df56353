package import BlockIO

/// One engine submission, as a kernel is asked for it.
package struct ModelSubmission {
    package enum Kind: UInt8 {
        case read, write, synchronize, synchronizeBoth, bufferedWrite, zero, truncate
    }

    package var kind: Kind
    package var isDurable = false
    /// A sync by the descriptor that takes the bytes behind the last whole block.
    package var usesBufferedDescriptor = false
    package var list = IOVectorList()
    /// Byte in the image; the new size for `truncate`.
    package var position = 0
    /// Bytes concerned.
    package var length = 0

    package init(_ kind: Kind) { self.kind = kind }
}

extension ModelSubmission {
    init(_ submission: EngineSubmission) {
        switch submission.kind {
        case .read: kind = .read
        case .write: kind = .write
        case .synchronize: kind = .synchronize
        case .synchronizeBoth: kind = .synchronizeBoth
        case .bufferedWrite: kind = .bufferedWrite
        case .punchHole, .zeroRange, .deviceDiscard, .deviceZero: kind = .zero
        case .truncate: kind = .truncate
        }
        isDurable = submission.isDurable
        list = submission.list
        position = Int(clamping: submission.position)
        length = Int(clamping: submission.length)
    }
}

extension ModelSubmission: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .synchronize: "fdatasync"
        case .synchronizeBoth: "fdatasync of both descriptors"
        case .truncate: "truncate to \(position)"
        default: "\(isDurable ? "durable " : "")\(kind) \(position)..<\(position + length)"
        }
    }
}
