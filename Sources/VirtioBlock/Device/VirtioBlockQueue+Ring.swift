import BlockDMA
import BlockIO
import Glibc

// The ring: from the start to the end of it.
extension VirtioBlockQueue {
    /// Attaches the ring that the driver has made, after it has accepted features. Requests that are
    /// in it already are taken by the next ``serve()``.
    ///
    /// - Parameters:
    ///   - layout: Where the ring is.
    ///   - nextAvailable: The index of the first request to take, as ``end()`` has returned it.
    ///   - nextUsed: The index of the next element of the used ring; `nil` takes it from the memory.
    /// - Throws: ``VirtioError/busy`` if a ring is attached, and ``VirtioError/ring(_:)`` if this
    ///   one cannot be. The queue is then stopped as before.
    public func start(
        _ layout: VirtqueueLayout, nextAvailable: UInt16 = 0, nextUsed: UInt16? = nil
    ) throws(VirtioError) {
        try start(layout, nextAvailable: nextAvailable, nextUsed: nextUsed, inflight: nil)
    }

    /// The same for a ring that another process has served before, or whose requests are to be
    /// recorded.
    ///
    /// - Parameters:
    ///   - inflight: Is told of all requests from now on, until the ring is forgotten.
    ///   - heads: The first descriptors of requests that were taken and are not in the used ring.
    ///     They are started first, in this order; a number that is not one of the ring, or is twice
    ///     in the list, breaks the ring.
    package func start(
        _ layout: VirtqueueLayout, nextAvailable: UInt16, nextUsed: UInt16?,
        inflight: (any VirtioInflightLog)?, resuming heads: [UInt16] = []
    ) throws(VirtioError) {
        guard state.pointee.phase == .stopped else { throw .busy }
        let features = device.features
        try state.pointee.ring.attach(
            layout, nextAvailable: nextAvailable, nextUsed: nextUsed,
            hasEventIndex: features.contains(.eventIndex))
        state.pointee.allowsTables = features.contains(.indirectDescriptors)
        state.pointee.canDiscard = features.contains(.discard)
        state.pointee.canWriteZeroes = features.contains(.writeZeroes)
        state.pointee.log = inflight
        state.pointee.owed = heads
        state.pointee.isEnabled = true
        state.pointee.phase = .running
    }

    /// Whether ``serve()`` takes requests; true after the start. Requests under way complete in any
    /// case.
    public func setEnabled(_ isEnabled: Bool) { state.pointee.isEnabled = isEnabled }

    /// Whether the caller looks at the queue by ``serve()`` again and again, and sleeps for nothing; false at
    /// first. From the next `serve` on, a driver is then not asked to notify the queue, and ``descriptor`` says
    /// nothing, which saves both sides the system calls for it.
    ///
    /// Before the caller sleeps, it makes this false and calls `serve` once more: that takes the requests that
    /// came without a notification, and asks for a notification of the next one.
    public func setPolling(_ isPolling: Bool) {
        state.pointee.ring.wantsNotifications = !isPolling
        queue.setDescriptorWatched(!isPolling)
    }

    /// Takes no more requests. Those under way still complete into the ring; in a ring with an inflight log also
    /// those that were taken before and are to be begun again, even if the queue is not enabled.
    public func stop() {
        if state.pointee.phase == .running { state.pointee.phase = .draining }
    }

    /// Waits until the queue ``isIdle`` and not ``isResetting``. Returns the sum of what ``serve()``
    /// would return meanwhile.
    public func drain() -> VirtioService {
        var sum = serve()
        while !isIdle || isResetting {
            // What waits for bounce buffers of another device has no completion to wait for.
            let waits = queue.outstanding > 0
            if !waits { usleep(1000) }
            sum.add(serve(minimum: waits ? 1 : 0))
        }
        return sum
    }

    /// Forgets a ring that was stopped, when the queue ``isIdle``. Returns the index of the next
    /// request in the available ring. Requests that an error policy keeps are forgotten too, and stay
    /// in flight for an inflight log: see ``keptHeads``.
    public func end() -> UInt16 {
        precondition(isIdle, "a ring ends when its requests have completed")
        let index = state.pointee.ring.nextAvailable
        reset()
        return index
    }

    /// The driver resets the queue: the ring is forgotten at once, and nothing is written to it.
    /// Requests that the host has complete in their own time (``isResetting``).
    public func reset() {
        let state = state
        if state.pointee.inFlight > 0 {
            for head in 0..<state.pointee.slots.count { abandon(head) }
            // Nobody calls `serve` for them before one has completed.
            queue.releaseThrottled()
        }
        state.pointee.inFlight = 0
        state.pointee.parked = 0
        state.pointee.owed = []
        state.pointee.log = nil
        state.pointee.fault = nil
        state.pointee.ring.detach()
        state.pointee.phase = .stopped
    }

    /// Gives up the request that begins with descriptor `head`, if there is one.
    private func abandon(_ head: Int) {
        let slot = state.pointee.slots.slot(head)
        guard slot.pointee.kind != .none, slot.pointee.host.state != .abandoned else { return }
        if slot.pointee.isDirect { leaveFastPath(slot, head) }
        slot.pointee.host.abandon()
        if slot.pointee.host.isBusy {
            state.pointee.abandoned += 1
        } else {
            slot.pointee.kind = .none
        }
    }

    /// Makes the requests again that an error policy keeps. ``serve()`` is to be called after it.
    public func retry() {
        for head in parkedHeads {
            let slot = state.pointee.slots.slot(Int(head))
            guard slot.pointee.host.retry() else { continue }
            slot.pointee.kind = .none
            state.pointee.parked -= 1
            state.pointee.inFlight -= 1
            state.pointee.owed.append(head)
        }
    }

    /// Changes the size of the image, as `BlockQueue.resize` does, and waits for that and for the
    /// writes before it, those of other queues included, which other threads have to serve. The transport then calls ``VirtioBlockDevice/noteSize()``.
    public func resize(to size: UInt64) throws(VirtioError) {
        do throws(BlockError) {
            try queue.resizeAndWait(to: size)
        } catch {
            throw .image(error)
        }
    }

    /// Begins to change the size of the image; ``serve()`` goes on with it. One change at a time.
    func beginResize(to size: UInt64) {
        state.pointee.resize = nil
        queue.resize(to: size, userData: UInt(state.pointee.slots.count))
    }

    /// What became of the change of the size; `nil` as long as it is under way.
    func takeResize() -> BlockCompletion? {
        defer { state.pointee.resize = nil }
        return state.pointee.resize
    }

    /// Stops looking at a ring that breaks a rule.
    @inline(never)
    func breakRing(_ fault: VirtioRingFault) {
        guard state.pointee.phase == .running || state.pointee.phase == .draining else { return }
        state.pointee.phase = .broken
        state.pointee.fault = fault
        state.pointee.service.isBroken = true
    }
}

extension VirtioService {
    /// Adds what a further call has done.
    mutating func add(_ other: VirtioService) {
        isInterruptDue = isInterruptDue || other.isInterruptDue
        isMoreWaiting = other.isMoreWaiting
        isBroken = isBroken || other.isBroken
        isMachineStopRequested = isMachineStopRequested || other.isMachineStopRequested
        taken += other.taken
        completed += other.completed
    }
}
