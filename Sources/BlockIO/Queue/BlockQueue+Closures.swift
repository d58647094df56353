import Glibc

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
                operation: .read, vectors: vectors.baseAddress, count: vectors.count,
                offset: offset, closure: retained(completion)))
    }

    /// Writes from `vectors` at byte `offset`.
    @discardableResult
    public func writev(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        durability: WriteDurability = .volatile, completion: @escaping (BlockCompletion) -> Void
    ) -> RequestID {
        start(
            .init(
                operation: .write, vectors: vectors.baseAddress, count: vectors.count,
                offset: offset, isDurable: durability == .forceUnitAccess,
                closure: retained(completion)))
    }

    /// Brings every write that has completed to stable storage.
    @discardableResult
    public func flush(completion: @escaping (BlockCompletion) -> Void) -> RequestID {
        start(.init(operation: .flush, closure: retained(completion)))
    }

    private func retained(
        _ closure: @escaping (BlockCompletion) -> Void
    ) -> Unmanaged<CompletionClosure> {
        Unmanaged.passRetained(CompletionClosure(closure))
    }
}
