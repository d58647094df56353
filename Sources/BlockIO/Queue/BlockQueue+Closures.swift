public import Glibc

/// Requests with a completion closure of their own, called by
/// ``BlockQueue/poll(minimum:timeout:_:)`` instead of the closure given there. They are
/// more convenient, and each costs one or two allocations.
extension BlockQueue {
    /// Reads into `vectors` from byte `offset`.
    @discardableResult
    public func readv(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        completion: @escaping (BlockCompletion) -> Void
    ) -> RequestID {
        start(
            .init(
                operation: .read, vectors: unsafe IOVectorList(vectors), offset: offset,
                closure: RetainedClosure(completion)))
    }

    /// Writes from `vectors` at byte `offset`.
    @discardableResult
    public func writev(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        durability: WriteDurability = .volatile, completion: @escaping (BlockCompletion) -> Void
    ) -> RequestID {
        start(
            .init(
                operation: .write, vectors: unsafe IOVectorList(vectors), offset: offset,
                isDurable: durability == .forceUnitAccess,
                closure: RetainedClosure(completion)))
    }

    /// Brings every write that has completed to stable storage.
    @discardableResult
    public func flush(completion: @escaping (BlockCompletion) -> Void) -> RequestID {
        start(.init(operation: .flush, closure: RetainedClosure(completion)))
    }
}
