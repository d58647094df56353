public import BlockHost
public import CBlockIO
import Glibc
public import Synchronization

// The fast path, in the order in which a request takes it: a read or a write that is one submission
// with the caller's own list, and whose completion goes to `poll`. It needs no state of the slot beyond
// that submission. Everything else takes the general path, whose stations are in the other files.
//
// What is marked as inlinable is compiled into the caller, for one buffer in a batch. What that code calls
// or reads is therefore marked as usable from inline code.

// MARK: Start

extension QueueCore {
    /// Starts a read or a write whose completion goes to `poll`.
    @inline(__always)
    @inlinable
    mutating func startTransfer(
        _ operation: BlockOperation, _ vectors: IOVectorList, at offset: UInt64,
        userData: UInt
    ) -> RequestID {
        guard batchClock != 0, !isClosing, vectors.count == 1,
            let vector = unsafe vectors.base, case let sum = unsafe VectorSum(vector.pointee),
            limits.admit(sum, at: offset), let request = free.take()
        else { return startOutOfLine(operation, vectors, at: offset, userData: userData) }
        return startFast(
            request, operation, vectors, UInt64(sum.total), at: offset, userData: userData)
    }

    /// Does what `startTransfer` does for the first request of a batch, for one outside a batch, for a
    /// list of several elements, and for what needs the general path.
    @inline(never)
    @usableFromInline
    mutating func startOutOfLine(
        _ operation: BlockOperation, _ vectors: IOVectorList, at offset: UInt64,
        userData: UInt
    ) -> RequestID {
        makeRoom()
        readBatchClock()
        // A list that has an element has an address.
        let sum =
            vectors.count == 1
            ? unsafe VectorSum(vectors.base.unsafelyUnwrapped.pointee) : VectorSum(vectors)
        guard vectors.count <= PieceTransfer.maximumElements, !isClosing,
            limits.admit(sum, at: offset), let request = free.take()
        else {
            return start(
                Call(
                    operation: operation, vectors: vectors, offset: offset, userData: userData))
        }
        let id = startFast(
            request, operation, vectors, UInt64(sum.total), at: offset, userData: userData)
        submitUnlessPlugged()
        return id
    }

    /// Fills the slot of a transfer that `limits` admit, and queues it for the engine.
    @inline(__always)
    @inlinable
    mutating func startFast(
        _ request: RequestPointer, _ operation: BlockOperation,
        _ vectors: IOVectorList, _ length: UInt64, at offset: UInt64, userData: UInt
    ) -> RequestID {
        outstanding &+= 1
        request.pointee.completion.asked.userData = userData
        request.pointee.completion.asked.operation = operation
        request.pointee.completion.asked.offset = offset
        request.pointee.completion.asked.length = length
        request.pointee.isFast = true
        request.pointee.submitsList = true
        request.pointee.started = batchClock
        request.pointee.cSubmission.kind = UInt8(operation == .read ? CBIO_READ : CBIO_WRITE)
        request.pointee.cSubmission.is_durable = false
        request.pointee.cSubmission.is_pending = true
        request.pointee.cSubmission.is_queued = false
        unsafe request.pointee.cSubmission.vectors = vectors.base
        request.pointee.cSubmission.vector_count = UInt16(truncatingIfNeeded: vectors.count)
        request.pointee.cSubmission.position = offset
        request.pointee.cSubmission.length = length
        if operation == .write {
            files.first.pointee.countModifying()
            guard files.first.pointee.acceptsFastWrites.load(ordering: .relaxed) else {
                return leaveFastPath(request, vectors)
            }
            if limits.offsetMask != 0 && track(request) { return RequestID(request) }
        }
        pending.append(request)
        return RequestID(request)
    }

    /// Starts a write on the general path that cannot take the fast path now, in another slot.
    @inline(never)
    @usableFromInline
    mutating func leaveFastPath(
        _ request: RequestPointer, _ vectors: IOVectorList
    ) -> RequestID {
        files.first.pointee.uncountModifying(1)
        outstanding &-= 1
        let (offset, userData) = (request.pointee.offset, request.pointee.completion.userData)
        recycle(request)
        // The caller submits, as for a request on the fast path.
        plugs &+= 1
        defer { plugs &-= 1 }
        return start(
            Call(operation: .write, vectors: vectors, offset: offset, userData: userData))
    }
}

// MARK: Give to the engine

extension QueueCore {
    @inline(__always)
    mutating func submitUnlessPlugged() {
        if plugs == 0 { submitPending() }
    }

    mutating func submitPending() {
        batchClock = 0
        if isClosed { return }
        if !pending.isEmpty { giveToEngine() }
        // A thread that sleeps on the descriptor would not learn what completes outside `poll`.
        if !completed.isEmpty { wake() }
    }

    /// Gives the engine what it has room for. What the engine refuses at once is settled, and may have
    /// more to do or another way to go.
    mutating func giveToEngine() {
        checkOwner()
        while !pending.isEmpty {
            let before = pending.count
            engine.submit(&pending, answered: &answered)
            counters.kernelRequests &+= UInt64(before &- pending.count)
            if answered.isEmpty { return }
            settleAnswered()
        }
    }
}

// MARK: Collect

extension QueueCore {
    /// Submits what is pending and settles what the engine has answered; waits until `minimum` requests,
    /// or all there are, can be delivered. Returns how many can.
    mutating func collect(minimum: Int, timeout: Duration?) -> Int {
        giveBackMemory()
        if isClosed { return completed.count }
        if mailbox.hasMail { obeyMail(beforeWaitFor: minimum) }
        closeIfDrained()
        if isClosed { return completed.count }
        let wanted = min(minimum, outstanding)
        if completed.count < wanted {
            if let timeout {
                wait(until: wanted, timeout)
            } else {
                repeat {
                    let end = step(minimum: awaited(wanted - completed.count), limit: .forever)
                    if end == .interrupted { break }
                } while completed.count < wanted
            }
        } else if minimum > 0 && outstanding == 0 && (timeout != nil || mailbox.isInUse) {
            idle(timeout)
        } else {
            step(minimum: 0, limit: .nanoseconds(0))
        }
        // What came while the last answers were looked at: the owner need not come back for it.
        readMail()
        closeIfDrained()
        return completed.count
    }

    /// The least number of the engine's answers that `count` completions take. One where an answer may be
    /// what another request or the next submission of the same one waits for, and where what another
    /// thread leaves in the mailbox must be seen at once.
    func awaited(_ count: Int) -> Int {
        // Where there are several files, whatever is under way belongs to requests that are composite.
        let blocked = files.first.pointee.tracked.blockedCount
        let isSimple = composite == 0 && blocked == 0 && !mailbox.isInUse
        return isSimple ? count : 1
    }

    /// One visit to the engine.
    @inline(__always)
    @discardableResult
    mutating func step(minimum: Int, limit: WaitLimit) -> WaitEnd {
        checkOwner()
        // The engine need not end a wait because its own thread has woken it.
        let minimum = isWoken ? 0 : minimum
        // Here the descriptor becomes quiet, whatever is left in `completed`.
        isWoken = false
        // What is submitted from here on in a batch is later than what came before.
        batchClock = 0
        let before = pending.count
        let end = engine.reap(
            minimum: minimum, limit: limit, pending: &pending, answered: &answered)
        counters.kernelRequests &+= UInt64(before &- pending.count)
        settleAnswered()
        if composite != 0 && !postponed.isEmpty { goOnPostponed() }
        readMail()
        // Pieces and retries that settling has queued.
        if !pending.isEmpty { giveToEngine() }
        return end
    }
}

// MARK: Settle

extension QueueCore {
    /// Looks at everything that the engine has answered.
    @inline(__always)
    mutating func settleAnswered() {
        if !answered.isEmpty { settleAll() }
    }

    @inline(never)
    private mutating func settleAll() {
        let now = monotonicNanoseconds()
        while !answered.isEmpty {
            if !settleFast(now), let request = answered.popFirst() { settleGeneral(request, now) }
        }
        runFollowers()
    }

    /// Completes the requests at the head of `answered` that are on the fast path and have moved all their
    /// bytes, all at once. False when there are none.
    @inline(__always)
    private mutating func settleFast(_ now: UInt64) -> Bool {
        var last: RequestPointer?
        var next = answered.head
        var number = 0
        var reads = BlockStatistics.Counter()
        var writes = BlockStatistics.Counter()
        // Requests that were submitted together took equally long.
        var started: UInt64 = 0
        var bucket = 0
        while let request = next, request.pointee.isFast,
            UInt64(bitPattern: request.pointee.result) == request.pointee.length
        {
            let bytes = request.pointee.length
            request.pointee.moved = bytes
            request.pointee.generation &+= 1
            if request.pointee.started != started {
                started = request.pointee.started
                bucket = LatencyHistogram.bucket(of: now &- started)
            }
            if request.pointee.operation == .read {
                reads.count(bytes, false)
                latencies.count(.read, bucket)
            } else {
                writes.count(bytes, false)
                latencies.count(.write, bucket)
                if request.pointee.isTracked {
                    let file = files.first
                    file.pointee.tracked.remove(request, released: &runnable)
                }
            }
            number &+= 1
            last = request
            next = request.pointee.next
        }
        guard let last else { return false }
        counters.reads.add(reads)
        counters.writes.add(writes)
        counters.directBytes &+= reads.bytes &+ writes.bytes
        if writes.operations > 0 {
            files.first.pointee.uncountModifying(Int(truncatingIfNeeded: writes.operations))
        }
        completed.take(number, from: &answered, upTo: last)
        return true
    }
}

// MARK: Deliver

extension QueueCore {
    /// The next request that has completed, in the order in which they did. It counts as delivered; its
    /// slot is to be recycled.
    @inline(__always)
    @inlinable
    mutating func deliver() -> RequestPointer? {
        guard let request = completed.popFirst() else { return nil }
        outstanding &-= 1
        return request
    }

    /// Frees a slot.
    @inline(__always)
    @inlinable
    mutating func recycle(_ request: RequestPointer) {
        if !request.pointee.isFast { clean(request) }
        free.give(back: request)
    }

    @inline(never)
    @usableFromInline
    func clean(_ request: RequestPointer) { request.pointee.reset() }
}
