import BlockDMA
import BlockHost
import BlockIO
import GuestMemory

// One visit: completions, requests, the used ring, the interrupt.
extension VirtioBlockQueue {
    /// Does what there is to do: delivers completions, takes the requests that are available as one
    /// batch, and shows the driver what has completed. Does not wait.
    ///
    /// The requests of one call are limited to the size of the ring; if there are more,
    /// ``VirtioService/isMoreWaiting`` is true.
    public func serve() -> VirtioService { serve(minimum: 0) }

    /// Does the same, for a transport that can raise an interrupt before the call returns.
    ///
    /// Where the host has completed requests when their submission returns, as libaio does on a tmpfs, a driver
    /// would have nothing to do until all of them have completed. There, this call takes the requests in parts of
    /// 16, and shows the driver each part before it takes the next one. It calls `raiseInterrupt` when an
    /// interrupt is due for a part that others follow; ``VirtioService/isInterruptDue`` is about the last part.
    public func serve(raiseInterrupt: () -> Void) -> VirtioService {
        serve(minimum: 0, inParts: true, raiseInterrupt)
    }

    /// As ``serve()``; waits until the host has completed `minimum` requests.
    func serve(minimum: Int) -> VirtioService { serve(minimum: minimum, inParts: false) {} }

    private func serve(
        minimum: Int, inParts: Bool, _ raiseInterrupt: () -> Void
    ) -> VirtioService {
        let state = state
        state.pointee.service = VirtioService()
        if !state.pointee.ring.begin() { breakRing(.memory) }
        liftRateLimits()
        // Where the host has nothing, only the descriptor is to be looked after, once.
        let isFirst = minimum > 0 || queue.outstanding > 0 || mapper.isWaiting
        if isFirst { deliver(minimum) }
        let isTaking = state.pointee.phase == .running ? state.pointee.isEnabled : isOwing
        if isTaking && state.pointee.abandoned == 0 {
            var left = state.pointee.ring.size
            if inParts && state.pointee.completesInSubmission {
                left = takeParts(of: left, raiseInterrupt)
            }
            if left > 0 { takeBatch(atMost: left) }
        }
        let taken = state.pointee.service.taken
        // What was in the page cache has completed by now.
        if taken > 0 || !isFirst { deliver(0) }
        if taken > 0 {
            state.pointee.statistics.requests &+= UInt64(taken)
            state.pointee.statistics.batches &+= 1
            state.pointee.completesInSubmission = queue.outstanding == 0
        }
        // For what was begun meanwhile.
        liftRateLimits()
        if state.pointee.ring.hasCollected { publish() }
        state.pointee.ring.end()
        return state.pointee.service
    }

    /// A ring that stops, and requests from before a reset, do not wait because of a rate limit of the image.
    @inline(__always)
    private func liftRateLimits() {
        if state.pointee.phase == .draining || state.pointee.abandoned > 0 {
            queue.releaseThrottled()
        }
    }

    /// The most requests of a part. Smaller ones cost more where the driver and this thread share a processor.
    static let partSize = 16

    /// Takes up to `limit` requests, in parts for as long as the host completes each part in its submission.
    /// Returns how many may still be taken; 0 when there are no more.
    @inline(never)
    private func takeParts(of limit: Int, _ raiseInterrupt: () -> Void) -> Int {
        let state = state
        var left = limit
        while true {
            let part = min(left, Self.partSize)
            takeBatch(atMost: part)
            left -= part
            // The caller goes on with the last part.
            guard state.pointee.service.isMoreWaiting, left > 0 else { return 0 }
            deliver(0)
            guard queue.outstanding == 0 else { return left }
            if state.pointee.ring.hasCollected { publish() }
            guard state.pointee.phase == .running else { return 0 }
            if state.pointee.service.isInterruptDue {
                state.pointee.service.isInterruptDue = false
                raiseInterrupt()
            }
        }
    }

    /// Takes up to `limit` requests, and gives them to the host together.
    @inline(__always)
    private func takeBatch(atMost limit: Int) {
        queue.batch {
            take(atMost: limit)
            // Before the host can have any of them.
            mapper.countDirect(state.pointee.ring.keepTaken())
        }
    }

    /// Delivers the completions of the host, and goes on with transfers that have waited.
    @inline(__always)
    private func deliver(_ minimum: Int) {
        queue.poll(minimum: minimum) { complete($0) }
        releasePieces()
        if mapper.isWaiting { resumeTransfers() }
    }

    @inline(never)
    private func resumeTransfers() {
        mapper.resume { transfer, step in resume(transfer, step) }
    }

    /// Shows the driver what has completed, and decides about the interrupt.
    private func publish() {
        let state = state
        guard state.pointee.phase != .broken || state.pointee.fault != .memory else { return }
        guard state.pointee.ring.publish() else { return breakRing(.memory) }
        state.pointee.log?.batchPublished(state.pointee.ring.nextUsed)
        guard state.pointee.ring.decideInterrupt() else { return }
        state.pointee.service.isInterruptDue = true
        state.pointee.statistics.interrupts &+= 1
    }

    /// Takes up to `limit` requests of a ring that runs, after those that are to be begun again, and asks the driver to notify the queue of the next one.
    private func take(atMost limit: Int) {
        let state = state
        state.pointee.service.isMoreWaiting = false
        if !state.pointee.owed.isEmpty {
            noteDisk()
            startOwed()
        }
        var left = limit
        while state.pointee.phase == .running {
            switch state.pointee.ring.fetch(atMost: left) {
            case .fault(let fault): return breakRing(fault)
            case .requests(0):
                guard let isMore = state.pointee.ring.arm() else { return breakRing(.memory) }
                if !isMore { break }
                left &-= 1
                if left > 0 { continue }
                state.pointee.service.isMoreWaiting = true
            case .requests(let count):
                noteDisk()
                for index in 0..<count {
                    begin(state.pointee.ring.head(index))
                    if state.pointee.phase != .running { break }
                }
                left &-= count
                if left > 0 { continue }
                guard let isMore = state.pointee.ring.arm() else { return breakRing(.memory) }
                state.pointee.service.isMoreWaiting = isMore
            }
            break
        }
    }

    /// Looks at what a driver can have changed, or can have been told, before it made a request available:
    /// the size of the disk, and the write cache.
    private func noteDisk() {
        state.pointee.sectors = device.image.size / Self.sectorSize
        state.pointee.takesVolatileWrites =
            device.image.access == .readWrite && device.isWriteCacheOn
    }

    /// Begins requests that were taken from the ring before.
    @inline(never)
    private func startOwed() {
        let heads = state.pointee.owed
        state.pointee.owed = []
        for head in heads where state.pointee.phase != .broken { begin(head) }
    }

    /// Whether a ring that stops has requests to begin again. The index that ``end()`` returns counts them, so
    /// that a start from there would not find them: in a ring with an inflight log, ``keptHeads`` goes nowhere.
    @inline(never)
    private var isOwing: Bool {
        state.pointee.phase == .draining && state.pointee.log != nil
            && !state.pointee.owed.isEmpty
    }

    // MARK: Completions

    /// The host has completed a request.
    @inline(__always)
    func complete(_ completion: BlockCompletion) {
        let head = Int(truncatingIfNeeded: completion.userData)
        guard head < state.pointee.slots.count else {
            // It is not a request of the ring.
            state.pointee.resize = completion
            return
        }
        let slot = state.pointee.slots.slot(head)
        guard slot.pointee.isDirect, completion.isSuccess, !MemoryWatch.isAnyLost else {
            return completeAny(completion, slot, head)
        }
        slot.pointee.isDirect = false
        let isRead = slot.pointee.kind == .read
        if isRead { slot.pointee.piece.markWritten() }
        if slot.pointee.piece.slot != state.pointee.ended.slot { releasePieces() }
        state.pointee.ended.slot = slot.pointee.piece.slot
        state.pointee.ended.count &+= 1
        finish(
            slot, UInt16(truncatingIfNeeded: head), .ok,
            written: isRead ? slot.pointee.piece.length : 0)
    }

    /// Releases the map for the pieces that have ended.
    func releasePieces() {
        let (slot, count) = state.pointee.ended
        guard count > 0 else { return }
        state.pointee.ended.count = 0
        state.pointee.ring.release(slot, count: count)
    }

    /// The host has completed a request of the general path, or otherwise than with success.
    @inline(never)
    private func completeAny(
        _ completion: BlockCompletion, _ slot: StablePointer<RequestSlot>, _ head: Int
    ) {
        if slot.pointee.isDirect { leaveFastPath(slot, head) }
        let answer = slot.pointee.host.complete(completion, on: queue)
        follow(answer, completion, slot, UInt16(truncatingIfNeeded: head))
    }

    /// A transfer that has waited can go on.
    private func resume(_ transfer: DMATransfer, _ step: DMAStep) {
        let head = Int(truncatingIfNeeded: transfer.userData)
        let slot = state.pointee.slots.slot(head)
        // It may also be one that was cancelled, which belongs to no request.
        guard slot.pointee.host.owns(transfer) else { return }
        if slot.pointee.kind == .identify {
            if let step = slot.pointee.host.resume(transfer, step) {
                return identify(step, slot, UInt16(truncatingIfNeeded: head))
            }
            if !slot.pointee.host.isBusy { released(slot) }
            return
        }
        let answer = slot.pointee.host.resume(transfer, step, on: queue)
        follow(answer, nil, slot, UInt16(truncatingIfNeeded: head))
    }

    /// Does what an answer means for the request.
    @inline(__always)
    func follow(
        _ answer: HostAnswer, _ completion: BlockCompletion?, _ slot: StablePointer<RequestSlot>,
        _ head: UInt16
    ) {
        switch answer {
        case .transferCompleted(let result): finishTransfer(result, slot, head)
        case .pending: break
        case .succeeded: finish(slot, head, .ok, written: 0)
        case .released: released(slot)
        case .failed:
            if let completion { decide(completion, slot, head) }
        }
    }

    /// An abandoned request has completed.
    @inline(never)
    private func released(_ slot: StablePointer<RequestSlot>) {
        slot.pointee.kind = .none
        state.pointee.abandoned -= 1
    }

    /// The host has failed a request: the error policy decides.
    @inline(never)
    private func decide(
        _ completion: BlockCompletion, _ slot: StablePointer<RequestSlot>, _ head: UInt16
    ) {
        state.pointee.statistics.hostFailures &+= 1
        let options = device.options
        let policy =
            completion.operation == .read ? options.readErrorPolicy : options.writeErrorPolicy
        let action = policy.action(for: completion)
        let answer = slot.pointee.host.apply(action, to: completion, on: queue)
        if action == .stop {
            state.pointee.parked += 1
            state.pointee.service.isMachineStopRequested = true
        }
        // After the policy, a failure is one for the guest.
        if answer == .failed { return finish(slot, head, .ioError, written: 0) }
        follow(answer, nil, slot, head)
    }

    // MARK: The end of a request

    @inline(__always)
    private func finishTransfer(
        _ result: DMAResult, _ slot: StablePointer<RequestSlot>, _ head: UInt16
    ) {
        let isRead = slot.pointee.kind == .read
        var status = RequestStatus.ioError
        if case .success = result.outcome { status = .ok }
        finish(slot, head, status, written: isRead ? result.transferred : 0)
    }

    /// Ends a request: its status, and its place in the used ring. `written` is how many bytes of
    /// data the device has written.
    @inline(__always)
    func finish(
        _ slot: StablePointer<RequestSlot>, _ head: UInt16, _ status: RequestStatus,
        written: UInt64
    ) {
        let state = state
        slot.pointee.kind = .none
        state.pointee.inFlight &-= 1
        state.pointee.service.completed &+= 1
        if status != .ok { state.pointee.statistics.failures &+= 1 }
        guard state.pointee.phase != .broken else { return }
        guard state.pointee.ring.store(status.rawValue, at: slot.pointee.status) else {
            return breakRing(.status)
        }
        guard
            state.pointee.ring.use(head, length: UInt32(truncatingIfNeeded: written &+ 1))
        else { return breakRing(.memory) }
        state.pointee.log?.requestUsed(head)
    }
}
