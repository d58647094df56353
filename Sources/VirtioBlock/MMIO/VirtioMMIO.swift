import BlockHost
public import BlockIO
public import GuestMemory
import Synchronization

/// A virtio block device with registers in memory (virtio 1.2, 4.2, version 2), for an emulator that
/// maps it into the address space of its guest.
///
///     let disk = try VirtioMMIO(device, [queue], on: space) { signal in ... }
///     try space.map(
///         .mmio(disk, size: VirtioMMIO.size, reentrancy: disk.reentrancy), at: 0xD000_0000)
///
/// Any thread may access the registers and call ``poll()``. A notification of the driver serves its
/// queue on the thread that makes the access, or on the one that has the queue at the moment; no access
/// waits for a queue. ``poll()`` serves all queues, and is to be called when one of ``descriptors`` is
/// readable, and after `Signal.poll`. Each queue has a lock of its own.
///
/// The device holds the address space, and the address space holds the device that is mapped into it:
/// to release both, unmap the region.
public final class VirtioMMIO: MMIODevice {
    /// What the device says to the emulator. It is said on the thread that accesses or polls the device,
    /// and the receiver must not access the device meanwhile.
    public enum Signal: Sendable, Hashable {
        /// The interrupt line has changed its level.
        case interrupt(isRaised: Bool)
        /// ``VirtioMMIO/poll()`` is to be called soon, although no descriptor is readable. This may be
        /// said on any thread.
        case poll
        /// The error policy `stop` has kept a request: the machine is to stop, and
        /// ``VirtioMMIO/retry()`` makes the request again.
        case stopMachine
    }

    /// The size of the region of the registers, in bytes.
    public static let size: UInt64 = 0x200

    /// What all queues have in common.
    public let device: VirtioBlockDevice
    /// For the region of the registers: a request whose memory they are is refused.
    public let reentrancy = ReentrancyGuard()
    /// The descriptors of all queues, for epoll(7), level-triggered.
    public let descriptors: [CInt]

    let queues: [LockedQueue]
    /// One thread at a time changes the size.
    private let resizing = PthreadMutex()
    private let signal: @Sendable (Signal) -> Void
    /// Held for a moment only, and not while a queue does a job.
    let registers: Guarded<MMIORegisters>
    /// Taken after every other lock.
    private let line = Guarded(Line())

    private struct Line {
        /// The bits of InterruptStatus.
        var pending: UInt32 = 0
        var needsReset = false
        /// How often the device was reset.
        var resets: UInt64 = 0
    }

    /// The registers of `device` with a virtqueue on each of `queues`, which have the threading
    /// `shared` if several threads use the device. They belong to it from now on. `signal` is
    /// described at ``Signal``.
    public init(
        _ device: VirtioBlockDevice, _ queues: sending [BlockQueue], on space: AddressSpace,
        signal: @escaping @Sendable (Signal) -> Void
    ) throws(VirtioError) {
        guard queues.count == device.queueCount else {
            throw .invalidOption(
                "the device has \(device.queueCount) queues, and \(queues.count) were given")
        }
        var locked: [LockedQueue] = []
        for queue in queues {
            locked.append(
                LockedQueue(
                    try VirtioBlockQueue(device, queue, on: space, reentrancy: reentrancy) {
                        signal(.poll)
                    }))
        }
        self.device = device
        self.queues = locked
        self.signal = signal
        descriptors = locked.map(\.descriptor)
        registers = Guarded(
            MMIORegisters(
                queueCount: device.queueCount,
                maximumQueueSize: device.options.maximumQueueSize))
    }

    // MARK: The emulator's side

    /// Serves all queues. Does not wait for the host.
    public func poll() {
        for index in queues.indices { serve(index) }
    }

    /// Makes the requests again that the error policy `stop` has kept.
    public func retry() {
        for index in queues.indices {
            withQueue(index) { $0.retry() }
            serve(index)
        }
    }

    /// Changes the size of the image to `size` bytes, a multiple of its sector size, and tells the
    /// driver. Waits for the writes under way in all queues, and serves the queues meanwhile.
    public func resize(to size: UInt64) throws(VirtioError) {
        resizing.lock()
        defer { resizing.unlock() }
        withQueue(0) { $0.beginResize(to: size) }
        while true {
            poll()
            if let completion = withQueue(0, { $0.takeResize() }) {
                do throws(BlockError) {
                    try completion.get(on: device.image)
                } catch {
                    throw .image(error)
                }
                return noteSize()
            }
            waitBriefly()
        }
    }

    /// Tells the driver if the size of the image has changed.
    func noteSize() {
        if device.noteSize() { raise(InterruptStatus.configuration) }
    }

    /// Whether the host has requests of a queue, so that it may touch the memory of the guest.
    public var isBusy: Bool {
        queues.indices.contains { withQueue($0) { !$0.isIdle || $0.isResetting } }
    }

    /// What a queue has done.
    public func statistics(ofQueue index: Int) -> VirtioQueueStatistics {
        withQueue(index) { $0.statistics }
    }

    // MARK: Queues

    /// Waits for a queue, and calls `body` with it. Not for accesses to the registers.
    func withQueue<Result, Failure: Error>(
        _ index: Int, _ body: (VirtioBlockQueue) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var due = VirtioService()
        defer { announce(due) }
        return try queues[index].withLock(settling: { carryOut($0, $1, &due) }, body)
    }

    /// The driver has notified the device of a queue.
    func notify(_ index: Int) {
        queues[index].add(.serve)
        settle(index)
    }

    /// Has the jobs done that are left for the queues. Not under the lock of the registers: a job can
    /// access the registers of other devices.
    func settleAll() {
        for index in queues.indices { settle(index) }
    }

    private func settle(_ index: Int) {
        var due = VirtioService()
        queues[index].settle { carryOut($0, $1, &due) }
        announce(due)
    }

    /// Serves one queue, after a wait for it.
    private func serve(_ index: Int) {
        queues[index].add(.serve)
        withQueue(index) { _ in }
    }

    /// Does a job, under the lock of the queue. `due` is what to say to the emulator when it is released.
    private func carryOut(
        _ job: QueueJob, _ queue: VirtioBlockQueue, _ due: inout VirtioService
    ) {
        switch job {
        case .serve: serve(queue, &due)
        case .reset: queue.reset()
        case .start(let layout, let number):
            do throws(VirtioError) {
                // A new ring is empty, whatever is in memory.
                try queue.start(layout, nextUsed: 0)
                serve(queue, &due)
            } catch {
                demandReset(afterReset: number)
            }
        case .resume(let saved, let layout, let number):
            do throws(VirtioError) {
                try queue.start(
                    layout, nextAvailable: saved.nextAvailable, nextUsed: saved.nextUsed,
                    inflight: nil, resuming: saved.keptHeads)
            } catch {
                demandReset(afterReset: number)
            }
        }
    }

    private func serve(_ queue: VirtioBlockQueue, _ due: inout VirtioService) {
        let number = resetNumber
        let service = queue.serve()
        // What was served before a reset says nothing to the driver after it.
        if service.isInterruptDue { raise(InterruptStatus.used, afterReset: number) }
        if service.isBroken { demandReset(afterReset: number) }
        if service.completed > 0 { noteSize() }
        due.add(service)
    }

    private func announce(_ due: VirtioService) {
        if due.isMachineStopRequested { signal(.stopMachine) }
        if due.isMoreWaiting { signal(.poll) }
    }

    // MARK: The interrupt line

    /// How often the device was reset.
    var resetNumber: UInt64 { line.withLock { $0.resets } }

    /// Sets bits of the interrupt status, unless the device was reset since it was the reset `number`.
    func raise(_ bits: UInt32, afterReset number: UInt64? = nil) {
        line.withLock { line in
            guard number == nil || number == line.resets else { return }
            let former = line.pending
            line.pending |= bits
            if former == 0 { signal(.interrupt(isRaised: true)) }
        }
    }

    /// The device cannot go on until the driver resets it (virtio 1.2, 2.1.2).
    private func demandReset(afterReset number: UInt64) {
        let isCurrent = line.withLock { line in
            if line.resets == number { line.needsReset = true }
            return line.resets == number
        }
        // A driver that has not set DRIVER_OK gets no interrupts.
        if isCurrent && isDriverOK.load(ordering: .acquiring) {
            raise(InterruptStatus.configuration, afterReset: number)
        }
    }

    let isDriverOK = Atomic(false)

    /// Clears bits of the interrupt status.
    func acknowledge(_ bits: UInt32) {
        line.withLock { line in
            let former = line.pending
            line.pending &= ~bits
            if former != 0 && line.pending == 0 { signal(.interrupt(isRaised: false)) }
        }
    }

    /// The bits of the interrupt status, and whether the device needs a reset.
    var lineState: (pending: UInt32, needsReset: Bool) {
        line.withLock { ($0.pending, $0.needsReset) }
    }

    /// The line after a reset.
    func resetLine() {
        line.withLock { line in
            line.needsReset = false
            line.resets += 1
        }
        acknowledge(.max)
    }

    /// Restores them.
    func restoreLine(pending: UInt32, needsReset: Bool) {
        line.withLock { $0.needsReset = needsReset }
        if pending != 0 { raise(pending) }
    }
}
