import CBlockIO
import Glibc

/// Threads that call preadv2(2), pwritev2(2), fdatasync(2) and their like: works on every file.
struct ThreadPoolEngine: ~Copyable, Engine {
    private let pool: ThreadPool
    private(set) var inFlight = 0
    let descriptor: CInt

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        descriptor = options.hasDescriptor ? cbio_eventfd() : -1
        if options.hasDescriptor && descriptor < 0 {
            throw BlockError(
                .engineUnavailable, errno: -descriptor, operation: .open, image: image.path,
                detail: "no descriptor is left; an administrator can raise RLIMIT_NOFILE")
        }
        pool = ThreadPool(
            image: image, threadLimit: options.maximumThreads, eventDescriptor: descriptor,
            clearsDescriptor: true, inlineLimit: image.inlineLimit)
    }

    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        if pending.isEmpty { return }
        let before = pending.count
        pool.enqueue(&pending)
        inFlight &+= before &- pending.count
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        let (asked, ended) = (pending.count, finished.count)
        let end = pool.collect(
            minimum: minimum, limit: limit, pending: &pending, into: &finished)
        inFlight &+= (asked &- pending.count) &- (finished.count &- ended)
        // No thread could be had.
        if inFlight == 0 && !pending.isEmpty && minimum > 0 { limit.pauseForResources() }
        return end
    }

    var wakeEvent: WakeEvent { .pool(pool) }

    var inlineCompletions: UInt64 { pool.inlineCompletions }

    mutating func cancel(_ request: RequestPointer) { pool.cancel(request) }

    mutating func shutDown() {
        pool.stop()
        if descriptor >= 0 { close(descriptor) }
    }
}
