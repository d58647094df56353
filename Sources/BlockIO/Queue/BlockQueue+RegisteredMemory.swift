extension BlockQueue {
    /// Has the kernel keep memory, such as the guest's RAM, mapped and locked for the transfers of this queue
    /// (IORING_REGISTER_BUFFERS), so that it need not map the memory for each of them. Takes the place of the
    /// memory of an earlier call; an empty list is none. No request may be outstanding.
    ///
    /// A request profits when all of its memory is in one part (of at most 1 GiB; a larger part counts as
    /// several), and its list has one element or the kernel is Linux 6.15 or later. Other requests go as
    /// before. The memory must stay mapped until the queue is closed or another call replaces it, and what
    /// is mapped in its place later is not what requests would use. Locked memory counts against
    /// RLIMIT_MEMLOCK.
    ///
    /// - Throws: ``BlockError`` with ``BlockError/Code/unsupported`` if the queue's engine is not io_uring,
    ///   ``BlockError/Code/invalidOption`` if parts overlap, there are more than 16384, or requests are
    ///   outstanding, and ``BlockError/Code/engineUnavailable`` if the kernel refuses; the queue then goes on
    ///   without registered memory.
    public func registerMemory(
        _ memory: [UnsafeMutableRawBufferPointer]
    ) throws(BlockError) {
        guard let regions = unsafe RegisteredMemory(memory), outstanding == 0, !isClosed else {
            throw BlockError(
                .invalidOption, operation: .open, image: image.path,
                detail:
                    "memory is registered while a queue is open and has no requests, in parts that "
                    + "do not overlap, \(RegisteredMemory.mostRegions) at most")
        }
        core.pointee.checkOwner()
        try core.pointee.engine.registerMemory(regions, of: image)
    }
}
