public import Glibc

/// Calls that make the same requests on the same queue, and return when the request has completed.
///
/// Completions of other requests meanwhile are left to ``BlockQueue/poll(minimum:timeout:_:)``.
extension BlockQueue {
    /// Reads into `vectors` from byte `offset`; returns the number of bytes.
    @discardableResult
    public func readvAndWait(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64
    ) throws(BlockError) -> Int {
        try wait(
            .init(
                operation: .read, vectors: unsafe IOVectorList(vectors), offset: offset,
                route: .waiter))
    }

    /// Writes from `vectors` at byte `offset`; returns the number of bytes.
    @discardableResult
    public func writevAndWait(
        _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) throws(BlockError) -> Int {
        try wait(
            .init(
                operation: .write, vectors: unsafe IOVectorList(vectors), offset: offset,
                isDurable: durability == .forceUnitAccess, route: .waiter))
    }

    /// Reads into one buffer.
    @discardableResult
    public func readAndWait(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(BlockError) -> Int {
        try wait(
            .init(operation: .read, offset: offset, route: .waiter, buffer: unsafe IOVector(buffer))
        )
    }

    /// Writes from one buffer.
    @discardableResult
    public func writeAndWait(
        from buffer: UnsafeRawBufferPointer, at offset: UInt64,
        durability: WriteDurability = .volatile
    ) throws(BlockError) -> Int {
        try wait(
            .init(
                operation: .write, offset: offset, isDurable: durability == .forceUnitAccess,
                route: .waiter, buffer: unsafe IOVector(buffer)))
    }

    /// Brings every write that has completed to stable storage.
    public func flushAndWait() throws(BlockError) {
        try wait(.init(operation: .flush, route: .waiter))
    }

    /// Tells the medium that a range is not needed. Returns what a later read of it returns.
    @discardableResult
    public func discardAndWait(at offset: UInt64, length: UInt64) throws(BlockError) -> RangeEffect
    {
        let completion = run(
            .init(operation: .discard, offset: offset, length: length, route: .waiter))
        try completion.get(on: image)
        return completion.effect
    }

    /// Makes a range read as zeroes.
    public func writeZeroesAndWait(
        at offset: UInt64, length: UInt64, options: ZeroOptions = []
    ) throws(BlockError) {
        try wait(
            .init(
                operation: .writeZeroes, offset: offset, length: length,
                isDurable: options.contains(.forceUnitAccess), route: .waiter,
                zeroOptions: options))
    }

    /// Changes the size of a file.
    public func resizeAndWait(to size: UInt64) throws(BlockError) {
        try wait(.init(operation: .resize, length: size, route: .waiter))
    }

    @discardableResult
    private func wait(_ call: borrowing QueueCore.Call) throws(BlockError) -> Int {
        try run(call).get(on: image)
    }
}
