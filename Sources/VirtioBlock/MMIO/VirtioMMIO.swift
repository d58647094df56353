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
/// queue on the thread that makes the access; ``poll()`` serves all queues, and is to be called when one
/// of ``descriptors`` is readable, and after `Signal.poll`. Each queue has a lock of its own.
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
    private let signal: @Sendable (Signal) -> Void
    /// Taken before the lock of a queue.
    let registers: Mutex<MMIORegisters>
    /// Taken after every other lock.
    private let line = Mutex(Line())

    private struct Line {
        /// The bits of InterruptStatus.
        var pending: UInt32 = 0
        var needsReset = false
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
        registers = Mutex(
            MMIORegisters(
                queueCount: device.queueCount,
                maximumQueueSize: device.options.maximumQueueSize))
    }

    // MARK: The emulator's side

    /// Serves all queues. Does not wait.
    public func poll() {
        for index in queues.indices { serve(index) }
    }

    /// Makes the requests again that the error policy `stop` has kept.
    public func retry() {
        for index in queues.indices {
            queues[index].withLock { $0.retry() }
            serve(index)
        }
    }

    /// Changes the size of the image to `size` bytes, a multiple of its sector size, and tells the
    /// driver. Waits for the writes under way.
    public func resize(to size: UInt64) throws(VirtioError) {
        try queues[0].withLock { (queue) throws(VirtioError) in try queue.resize(to: size) }
        noteSize()
    }

    /// Tells the driver if the size of the image has changed.
    func noteSize() {
        if device.noteSize() { raise(InterruptStatus.configuration) }
    }

    /// Whether the host has requests of a queue, so that it may touch the memory of the guest.
    public var isBusy: Bool {
        queues.contains { $0.withLock { !$0.isIdle || $0.isResetting } }
    }

    /// What a queue has done.
    public func statistics(ofQueue index: Int) -> VirtioQueueStatistics {
        queues[index].withLock { $0.statistics }
    }

    // MARK: Queues and the interrupt line

    /// Serves one queue.
    func serve(_ index: Int) {
        let service = queues[index].withLock { queue in
            let service = queue.serve()
            // Under the lock: no interrupt comes after a reset.
            answer(service)
            return service
        }
        if service.isMachineStopRequested { signal(.stopMachine) }
        if service.isMoreWaiting { signal(.poll) }
    }

    /// Says to the driver what a service asks for.
    func answer(_ service: VirtioService) {
        if service.isInterruptDue { raise(InterruptStatus.used) }
        if service.isBroken { demandReset() }
    }

    /// Sets bits of the interrupt status.
    func raise(_ bits: UInt32) {
        line.withLock { line in
            let former = line.pending
            line.pending |= bits
            if former == 0 { signal(.interrupt(isRaised: true)) }
        }
    }

    /// The device cannot go on until the driver resets it (virtio 1.2, 2.1.2).
    func demandReset() {
        line.withLock { $0.needsReset = true }
        if registersAreRunning { raise(InterruptStatus.configuration) }
    }

    /// A driver that has not set DRIVER_OK gets no interrupts.
    private var registersAreRunning: Bool { isDriverOK.load(ordering: .acquiring) }
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

    /// Restores them.
    func restoreLine(pending: UInt32, needsReset: Bool) {
        line.withLock { $0.needsReset = needsReset }
        acknowledge(.max)
        if pending != 0 { raise(pending) }
    }
}
