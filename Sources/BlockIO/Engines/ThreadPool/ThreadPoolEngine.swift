import BlockHost

/// Threads that call preadv2(2), pwritev2(2), fdatasync(2) and their like: works on every file.
struct ThreadPoolEngine: ~Copyable, Engine {
    private let pool: ThreadPool
    private let inFlightLimit: Int
    private(set) var inFlight = 0
    private let event: Event?

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        do throws(SystemCallError) {
            event = options.hasDescriptor ? try Event() : nil
        } catch {
            throw BlockError(
                .engineUnavailable, errno: error.errno, operation: .open, image: image.path,
                detail: "no descriptor is left; an administrator can raise RLIMIT_NOFILE")
        }
        inFlightLimit = options.depth
        pool = ThreadPool(
            image: image, threadLimit: options.maximumThreads, event: event, isBesideRing: false,
            inlineLimit: Self.inlineLimit(of: image))
    }

    /// Whoever submits does not know which file is next: it copies only where all are in memory.
    private static func inlineLimit(of image: BlockImage) -> UInt64? {
        image.files.allSatisfy { $0.inlineLimit != nil } ? image.activeFile.inlineLimit : nil
    }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        var taken = take(&pending)
        if !taken.isEmpty { pool.enqueue(&taken) }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        if inFlight == 0 && minimum > 0 && answered.isEmpty && pending.count == 1,
            let only = pending.head, pool.serveOnlyRequest(only, limit)
        {
            answered = pending
            pending = RequestFIFO()
            return .normal
        }
        var taken = take(&pending)
        let before = answered.count
        // No more than one while others wait for the room that it makes.
        let most = pending.isEmpty ? minimum : min(minimum, 1)
        let end = pool.collect(
            minimum: answered.isEmpty ? most : 0, limit: limit, pending: &taken, into: &answered)
        inFlight &-= answered.count &- before
        return end
    }

    /// As many as there is room for.
    private mutating func take(_ pending: inout RequestFIFO) -> RequestFIFO {
        var count = pending.count
        if count > inFlightLimit &- inFlight { count = countWithRoom(pending) }
        inFlight &+= count
        if count < pending.count { return pending.split(first: count) }
        defer { pending = RequestFIFO() }
        return pending
    }

    /// How many of the first there is room for. Long calls need none, so that no read waits for them.
    @inline(never)
    private func countWithRoom(_ pending: RequestFIFO) -> Int {
        var transfers = inFlight &- pool.unansweredLongCalls
        var count = 0
        var next = pending.head
        while let request = next {
            if request.isTransfer {
                if transfers >= inFlightLimit { break }
                transfers &+= 1
            }
            count &+= 1
            next = request.pointee.next
        }
        return count
    }

    var descriptor: CInt { event?.descriptor ?? -1 }

    var wakeEvent: WakeEvent { .pool(pool) }

    mutating func setDescriptorWatched(_ isWatched: Bool) { pool.setDescriptorWatched(isWatched) }

    var inlineCompletions: UInt64 { pool.inlineCompletions }

    var pollerOperations: UInt64 { pool.pollerOperations }

    mutating func cancel(_ request: RequestPointer) { pool.cancel(request) }

    mutating func shutDown() {
        pool.stop()
        event?.close()
    }
}
