import BlockHost
import CBlockIO

/// What the queues of a writable image that may have several agree on (``OpenOptions/queueLimit``): which of
/// them resizes the image, and, where read-modify-write is possible, which writes are under way.
///
/// A queue is a *member* while it is open, with a number that ends up in its requests. Everything else about
/// an image is either constant, or atomic in ``HostFile``, or each queue's own.
///
/// **Resize.** It waits for all requests that change the image, in all queues, and those that are made later
/// wait for it. The queues count such requests for themselves, without an atomic instruction on the fast path:
///
/// | | the queue that resizes | another queue |
/// |---|---|---|
/// | 1 | stores that the other queues may not change the image | counts a request that changes the image |
/// | 2 | leaves each of them a notice | looks whether it may change the image: if not, it takes the request out of the count and holds it back |
/// | 3 | passes a memory barrier on behalf of all threads (membarrier(2)) | takes a completed request out of the count |
/// | 4 | looks at the counters | looks for notices |
///
/// So each request is either seen in the counter or held back, and a queue whose counter is not 0 finds the
/// notice not later than when it becomes 0, and says so. A queue without requests has no part in this. Where
/// membarrier(2) is not to be had, each queue is woken to say so.
///
/// Between two resizes, each queue that held back requests during the first one starts them. The second one
/// then waits for these requests. So resizes, however many follow each other, do not hold back a request for ever.
///
/// **Writes.** Where the sectors of the guest are multiples of the host's blocks, no request needs
/// read-modify-write, and queues know nothing of each other's writes. Otherwise they share one
/// ``TrackedWrites``. A write that another queue's write has released is left in
/// ``Member/released``, and its queue is woken.
///
/// Nothing here waits: a queue that is to go on later is told of it by a notice in its ``Mailbox``, and listens
/// for notices from the time when it first has to (``QueueCore/listenToGroup()``).
///
/// Safe to share, although unchecked: all state is under the lock, but for what is atomic in each member's
/// ``FileState``.
final class QueueGroup: @unchecked Sendable {
    /// The queues share the writes under way.
    let sharesWrites: Bool
    let file: HostFile
    /// membarrier(2) can be used.
    let hasBarrier: Bool

    let lock = PthreadMutex()
    let state: StablePointer<State>

    struct State {
        /// By number; `nil` where a queue is not open.
        var members: [Member?]
        var resizes = Resizes()
        /// The writes under way of all queues, in the order in which they were made.
        var writes = TrackedWrites()
        /// Bytes of a block, less 1, that `writes` reckon with.
        var blockMask: UInt64
    }

    /// An open queue.
    struct Member {
        let mailbox: Mailbox
        /// That of the image's file. It stays at its address while the queue is a member.
        let file: StablePointer<FileState>
        /// It holds back requests during a resize of another queue.
        var holdsBack = false
        /// Its writes that need not wait any longer, and that it has not taken.
        var released = RequestFIFO()
    }

    /// Which resize is the next.
    struct Resizes {
        /// The queue whose resize is under way, or waits for requests of other queues.
        var turn: Int?
        /// The queues whose resizes come after that, in order.
        var waiting: [Int] = []
        /// The queues that the resize waits for.
        var unsettled: Set<Int> = []
        /// The queues that held back requests during the last resize and have not started them. The next
        /// resize begins after that.
        var beforeNext: Set<Int> = []
    }

    /// For the queues of an image that consists of one file.
    init(of file: HostFile, limit: Int, logicalBlockSize: Int) {
        self.file = file
        let block = UInt64(file.alignment.offset)
        sharesWrites =
            !UInt64(logicalBlockSize).isMultiple(of: block) || !file.size.isMultiple(of: block)
        hasBarrier = cbio_prepare_barrier() == 0
        state = StablePointer(
            allocating: State(
                members: [Member?](repeating: nil, count: limit), blockMask: block - 1))
    }

    deinit {
        // No queue is open any more, and so there is no write.
        state.pointee.writes.releaseMemory()
        unsafe state.destroy()
    }

    /// For the engine report.
    var notes: [String] {
        guard sharesWrites else { return [] }
        return [
            "the queues share the list of writes under way, because a sector of the guest, or the end of the "
                + "file, can lie inside a block of the host, \(file.alignment.offset) bytes"
        ]
    }

    /// A queue has been opened. Returns its number. There is one for each queue that the image may have.
    func join(_ mailbox: Mailbox, _ file: StablePointer<FileState>) -> Int {
        lock.lock()
        defer { lock.unlock() }
        guard let number = state.pointee.members.firstIndex(where: { $0 == nil }) else {
            preconditionFailure("no more queues are open than the image may have")
        }
        let member = Member(mailbox: mailbox, file: file)
        state.pointee.members[number] = member
        if state.pointee.resizes.turn == nil { accept(number) } else { refuse(member) }
        return number
    }

    /// A queue that has no request any more closes.
    func leave(_ number: Int) {
        lock.lock()
        defer { lock.unlock() }
        state.pointee.members[number] = nil
        settle(number)
        state.pointee.resizes.beforeNext.remove(number)
        beginNext()
    }
}

// Resizes.
extension QueueGroup {
    /// Says that a queue wants to resize the image. True when it may: then no other queue has a request under
    /// way that changes the image, and none begins one before ``endTurn(_:)``. Otherwise the queue is sent
    /// ``Mailbox/Notices/turn`` when it is worth to ask again.
    func takeTurn(_ number: Int) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        if state.pointee.resizes.turn == nil && state.pointee.resizes.beforeNext.isEmpty {
            begin(number)
        } else if state.pointee.resizes.turn != number {
            if !state.pointee.resizes.waiting.contains(number) {
                state.pointee.resizes.waiting.append(number)
            }
            return false
        }
        return state.pointee.resizes.unsettled.isEmpty
    }

    /// The resize of a queue has completed, or is not wanted any more. The queue knows the image's size.
    func endTurn(_ number: Int) {
        lock.lock()
        defer { lock.unlock() }
        state.pointee.resizes.waiting.removeAll { $0 == number }
        guard state.pointee.resizes.turn == number else {
            // Its writes can take the fast path again.
            if state.pointee.resizes.turn == nil { accept(number) }
            return
        }
        state.pointee.resizes.turn = nil
        state.pointee.resizes.unsettled = []
        for (other, member) in state.pointee.members.enumerated() where other != number {
            guard let member else { continue }
            if member.holdsBack { state.pointee.resizes.beforeNext.insert(other) }
            // A queue that holds nothing back finds the new size when its owner next looks at it.
            member.mailbox.post(.resizeIsOver, wakesOwner: member.holdsBack)
        }
        accept(number)
        beginNext()
    }

    /// A queue holds nothing back any more: it has started what it held back, or its caller has cancelled that.
    func holdsNothingBack(_ number: Int) {
        lock.lock()
        defer { lock.unlock() }
        state.pointee.members[number]?.holdsBack = false
        state.pointee.resizes.beforeNext.remove(number)
        beginNext()
    }

    /// Whether a queue may change the image now; from then on it may until it is told otherwise. If not, it is
    /// sent ``Mailbox/Notices/resizeIsOver``.
    func mayChange(_ number: Int) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        let isFree = state.pointee.resizes.turn == nil
        state.pointee.members[number]?.holdsBack = !isFree
        if isFree { accept(number) }
        return isFree
    }

    /// A queue that found ``Mailbox/Notices/resizeBegins`` has no request that changes the image.
    func settled(_ number: Int) {
        lock.lock()
        defer { lock.unlock() }
        settle(number)
    }

    private func settle(_ number: Int) {
        guard state.pointee.resizes.unsettled.remove(number) != nil else { return }
        if state.pointee.resizes.unsettled.isEmpty { callNext() }
    }

    /// Begins the next resize, if nothing comes before it.
    private func beginNext() {
        guard state.pointee.resizes.turn == nil, state.pointee.resizes.beforeNext.isEmpty,
            !state.pointee.resizes.waiting.isEmpty
        else { return }
        begin(state.pointee.resizes.waiting.removeFirst())
        if state.pointee.resizes.unsettled.isEmpty { callNext() }
    }

    /// The queue whose turn it is can go on.
    private func callNext() {
        guard let turn = state.pointee.resizes.turn else { return }
        state.pointee.members[turn]?.mailbox.post(.turn, wakesOwner: true)
    }

    /// It is the turn of a queue: the others change nothing any more.
    private func begin(_ number: Int) {
        state.pointee.resizes.turn = number
        var others: [Int] = []
        for (other, member) in state.pointee.members.enumerated() where other != number {
            guard let member else { continue }
            others.append(other)
            refuse(member)
            member.mailbox.post(.resizeBegins, wakesOwner: !hasBarrier)
        }
        let isOrdered = hasBarrier && cbio_barrier() == 0
        for other in others {
            guard let member = state.pointee.members[other] else { continue }
            if isOrdered && !member.file.pointee.isModified { continue }
            state.pointee.resizes.unsettled.insert(other)
            // What it has counted may be a request that it then holds back: then nothing else brings its
            // owner to the notice. The call can also be forbidden at any time.
            member.mailbox.post(.resizeBegins, wakesOwner: true)
        }
    }

    private func accept(_ number: Int) {
        guard let member = state.pointee.members[number] else { return }
        member.file.pointee.acceptsChanges.store(true, ordering: .releasing)
        member.file.pointee.acceptsFastWrites.store(!sharesWrites, ordering: .releasing)
    }

    private func refuse(_ member: Member) {
        member.file.pointee.acceptsChanges.store(false, ordering: .relaxed)
        member.file.pointee.acceptsFastWrites.store(false, ordering: .relaxed)
    }
}

// Writes, where the queues share them.
extension QueueGroup {
    /// What becomes of a write that is added.
    enum Admission {
        /// It may start.
        case starts
        /// It waits for others, and its queue is sent ``Mailbox/Notices/released``.
        case waits
        /// It was not added, because blocks have another size than its queue knows.
        case otherBlocks
    }

    /// Adds a write of a queue to those under way.
    func add(
        _ request: RequestPointer, of number: Int, hasEdges: Bool, isThroughCache: Bool,
        blockMask: UInt64
    ) -> Admission {
        lock.lock()
        defer { lock.unlock() }
        takeBlockSize()
        guard blockMask == state.pointee.blockMask else { return .otherBlocks }
        request.pointee.member = UInt8(number)
        request.pointee.isReleased = false
        let waits = state.pointee.writes.add(
            request, hasEdges: hasEdges, isThroughCache: isThroughCache, blockMask: blockMask)
        return waits ? .waits : .starts
    }

    /// Takes a write of a queue out, blocked or not. Those of the same queue that need not wait any longer
    /// are appended to `runnable`.
    func remove(_ request: RequestPointer, of number: Int, runnable: inout RequestFIFO) {
        lock.lock()
        defer { lock.unlock() }
        if request.pointee.isReleased {
            request.pointee.isReleased = false
            state.pointee.members[number]?.released.remove(request)
        }
        var released = RequestFIFO()
        state.pointee.writes.remove(request, released: &released)
        while let next = released.popFirst() {
            let owner = Int(next.pointee.member)
            if owner == number {
                runnable.append(next)
            } else {
                next.pointee.isReleased = true
                state.pointee.members[owner]?.released.append(next)
                state.pointee.members[owner]?.mailbox.post(.released, wakesOwner: true)
            }
        }
    }

    /// Moves the writes of a queue that others have released to `runnable`.
    func takeReleased(of number: Int, into runnable: inout RequestFIFO) {
        lock.lock()
        defer { lock.unlock() }
        while let request = state.pointee.members[number]?.released.popFirst() {
            request.pointee.isReleased = false
            runnable.append(request)
        }
    }

    /// The file's alignment may be another than before.
    func adoptBlockSize() {
        lock.lock()
        takeBlockSize()
        lock.unlock()
    }

    private func takeBlockSize() {
        let now = UInt64(file.alignment.offset - 1)
        if now == state.pointee.blockMask { return }
        state.pointee.blockMask = now
        state.pointee.writes.blockSizeChanged()
    }
}
