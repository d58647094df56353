/// What the registers of a ``VirtioMMIO`` tell one of its queues to do.
///
/// An access never waits for a queue: it may be DMA of another device, made under the lock of one of that
/// device's queues, which a thread that has the lock of this queue may be waiting for. It leaves a job. The
/// thread that has the queue, or else the one that makes the access, does the jobs in their order.
enum QueueJob {
    /// Take what the driver has made available.
    case serve
    /// Forget the ring.
    case reset
    /// Attach a ring that the driver has made, and serve it. A ring that cannot be used breaks the device,
    /// unless it has been reset since: it was the reset with this number.
    case start(VirtqueueLayout, afterReset: UInt64)
    /// The same for a ring of a saved state.
    case resume(SavedDevice.Queue, VirtqueueLayout, afterReset: UInt64)
}
