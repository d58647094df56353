import Glibc

/// Calls that return when the request is done: the same requests on the same queue, waited for.
///
/// Completions of other requests that end meanwhile are left to ``BlockQueue/poll(minimum:timeout:_:)``.
extension BlockQueue {
    /// Reads into `vectors` from byte `offset`; returns the number of bytes.
    @discardableResult
    public func readvAndWait(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64
    ) throws(BlockError) -> Int {
        try run(
            .init(
                operation: .read, vectors: vectors.baseAddress, count: vectors.count,
                offset: offset, route: .waiter))
    }

    /// Writes from `vectors` at byte `offset`; returns the number of bytes.
    @discardableResult
    public func writevAndWait(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) throws(BlockError) -> Int {
        try run(
            .init(
                operation: .write, vectors: vectors.baseAddress, count: vectors.count,
                offset: offset, isDurable: durability == .forceUnitAccess, route: .waiter))
    }

    /// Reads into one buffer.
    @discardableResult
    public func readAndWait(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(BlockError) -> Int {
        try run(.init(operation: .read, offset: offset, route: .waiter, buffer: iovec(buffer)))
    }

    /// Writes from one buffer.
    @discardableResult
    public func writeAndWait(
        from buffer: UnsafeRawBufferPointer, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) throws(BlockError) -> Int {
        try run(
            .init(
                operation: .write, offset: offset, isDurable: durability == .forceUnitAccess,
                route: .waiter, buffer: iovec(buffer)))
    }

    /// Brings every write that has completed to stable storage.
    public func flushAndWait() throws(BlockError) {
        try run(.init(operation: .flush, route: .waiter))
    }

    @discardableResult
    private func run(_ call: borrowing QueueCore.Call) throws(BlockError) -> Int {
        try wait(for: start(call)).get(on: image)
    }
}
