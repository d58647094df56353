import BlockDMA
import BlockHost
public import BlockIO
public import GuestMemory

/// One virtqueue of a ``VirtioBlockDevice``: takes requests from the ring of the driver, gives them to a
/// `BlockQueue`, and returns them to the ring.
///
/// A transport attaches the ring that the driver has made (``start(_:nextAvailable:nextUsed:)``), and
/// then calls ``serve()`` whenever something may have happened: the driver has notified the queue,
/// ``descriptor`` is readable, or `wake` was called. `serve` does what there is to do, takes all
/// requests that are available as one batch, and says whether an interrupt is due: one for all.
///
///     let service = queue.serve()
///     if service.isInterruptDue { raiseInterrupt() }
///     if service.isBroken { demandReset() }
///
/// Data goes between the memory of the guest and the image without a copy, and a request is one
/// request of the `BlockQueue`, whatever the number of its descriptors.
///
/// ## A hostile driver
///
/// Each descriptor is read once, and everything in the ring is checked. A ring that breaks a rule is not
/// looked at any more (``fault``, `VirtioService.isBroken`): requests under way complete, but the
/// driver does not see them. Data in memory that does not exist is a failed request.
///
/// ## States
///
/// | state | event | next state |
/// |---|---|---|
/// | stopped | `start` | running |
/// | running | `serve`: the ring breaks a rule | broken |
/// | running | `stop` | draining: requests under way complete into the ring, no others are taken |
/// | running, draining, broken | `reset` | stopped; requests under way are abandoned (``isResetting``) |
/// | draining | `end`, when the queue is idle | stopped |
///
/// ## Threads
///
/// A queue is not `Sendable`. One thread at a time uses it, under the same rules as its `BlockQueue`. The
/// queues of a device are independent of each other.
public final class VirtioBlockQueue {
    /// The device.
    public let device: VirtioBlockDevice
    let queue: BlockQueue
    let mapper: DMAMapper
    /// Behind a pointer, so that no access is checked at run time.
    let state: StablePointer<State>

    /// What the queue is doing.
    enum Phase: UInt8 { case stopped, running, draining, broken }

    struct State: ~Copyable {
        var ring: SplitRing
        var chain: RequestChain
        let simple = SimpleCopy()
        let slots: RequestTable
        var phase = Phase.stopped
        var isEnabled = true
        var allowsTables = false
        var canDiscard = false
        var canWriteZeroes = false
        /// The size of the disk, in sectors of 512 bytes.
        var sectors: UInt64 = 0
        /// Writes are allowed, and complete when they are in the write cache.
        var takesVolatileWrites = false
        /// Pieces that have ended, and the map that is to be released for them.
        var ended = (slot: 0, count: 0)
        /// Requests taken from the ring that are not in the used ring yet, parked ones included.
        var inFlight = 0
        /// Requests that an error policy keeps.
        var parked = 0
        /// The host had completed all requests of the last batch when their submission returned.
        var completesInSubmission = false
        /// Requests that the host has still, although the driver has forgotten them.
        var abandoned = 0
        /// What became of the last change of the size.
        var resize: BlockCompletion?
        /// Requests to be started before those of the ring.
        var owed: [UInt16] = []
        var log: (any VirtioInflightLog)?
        /// What the present call has done.
        var service = VirtioService()
        var statistics = VirtioQueueStatistics()
        var fault: VirtioRingFault?
        /// What GET_ID returns.
        let identity: FixedMemory<UInt8>
    }

    /// A virtqueue that has no ring yet.
    ///
    /// - Parameters:
    ///   - device: The device that it is a part of.
    ///   - queue: A queue on the image of the device. It belongs to the virtqueue from now on.
    ///   - space: The memory of the guest.
    ///   - reentrancy: The guard of the device's registers, if they are in `space`.
    ///   - wake: Called on any thread when ``serve()`` is to be called although neither the driver
    ///     nor ``descriptor`` says so: bounce buffers have become free.
    public init(
        _ device: VirtioBlockDevice, _ queue: BlockQueue, on space: AddressSpace,
        reentrancy: ReentrancyGuard? = nil, wake: (@Sendable () -> Void)? = nil
    ) throws(VirtioError) {
        guard queue.image === device.image else {
            throw .invalidOption("the queue is of another image than the device")
        }
        let limit = device.options.maximumQueueSize
        do throws(GuestMemoryError) {
            // A transfer for each request is kept, so that none is allocated.
            mapper = try DMAMapper(
                space, reentrancy: reentrancy, options: DMAOptions(cacheLimit: limit), wake: wake)
        } catch {
            throw .memory(error)
        }
        self.device = device
        self.queue = queue
        let identity = FixedMemory<UInt8>(repeating: 0, count: Self.identitySize)
        for (index, byte) in device.options.serial.utf8.enumerated() { identity[index] = byte }
        state = StablePointer(
            allocating: State(
                ring: SplitRing(on: space, maximumSize: limit), chain: RequestChain(limit: limit),
                slots: RequestTable(count: limit), identity: identity))
    }

    deinit {
        reset()
        queue.close { complete($0) }
        releasePieces()
        // Nothing but the queue has a copy of the pointer.
        unsafe state.destroy()
    }

    /// The size of what GET_ID returns.
    static let identitySize = 20

    /// Readable when ``serve()`` has completions to deliver; for epoll(7), level-triggered.
    public var descriptor: CInt { queue.descriptor }

    /// Whether a ring is attached, and does not break rules.
    public var isRunning: Bool { state.pointee.phase == .running }

    /// Whether the host has no request of the ring. Those that an error policy keeps do not count.
    public var isIdle: Bool { state.pointee.inFlight == state.pointee.parked }

    /// Whether the host still has requests that the driver gave before a reset, so that it may
    /// touch their memory. ``serve()`` ends that in time; until then it takes no requests.
    public var isResetting: Bool { state.pointee.abandoned > 0 }

    /// The rule that the ring has broken, if it has.
    public var fault: VirtioRingFault? { state.pointee.fault }

    /// The first descriptors of requests that were taken from the ring and are to be begun again: those
    /// that an error policy keeps, and those that the next ``serve()`` begins.
    public var keptHeads: [UInt16] { parkedHeads + state.pointee.owed }

    /// The first descriptors of requests that an error policy keeps.
    var parkedHeads: [UInt16] {
        (0..<state.pointee.slots.count).filter {
            state.pointee.slots.slot($0).pointee.host.isParked
        }.map { UInt16($0) }
    }

    /// What the queue has done.
    public var statistics: VirtioQueueStatistics { state.pointee.statistics }
}
