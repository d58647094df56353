package import BlockHost

/// The few threads beside a ring, for calls that the kernel has no asynchronous form of, and for host
/// files that the ring's engine cannot serve without blocking. Made at the first such request.
///
/// What they have done makes the engine's wake event readable, so that one wait covers both. While the
/// system gives no thread the owner of the queue makes the calls itself, one at a time, and only when
/// nothing else is in flight or has been answered for a while: a read does not wait for a discard.
package struct HelperThreads: ~Copyable {
    /// Discards and the like take long, are seldom made, and are never many at once.
    private static let limit = 4
    /// How long, in nanoseconds, the owner lets other requests go first.
    package static let patience: Int64 = 5_000_000

    private let image: BlockImage
    /// Bit by bit, whether a host file is served here.
    private let files: UInt64
    private let wake: Event
    private var pool: ThreadPool?
    package private(set) var inFlight = 0
    /// When the owner first put off a call that it has to make itself; 0 when there is none.
    private var postponed: UInt64 = 0

    /// Beside an engine of this kind.
    package init(image: BlockImage, engine: EngineKind, wake: Event) {
        self.image = image
        files = image.files.indices.reduce(0) { files, index in
            engine.serves(image.files[index]) ? files : files | 1 << UInt64(index)
        }
        self.wake = wake
    }

    var pollerOperations: UInt64 { pool?.pollerOperations ?? 0 }

    /// Whether a request is for these threads and not for the ring.
    func isFor(_ request: RequestPointer) -> Bool {
        request.pointee.submission.kind.needsHelper
            || files >> UInt64(request.pointee.cSubmission.file) & 1 != 0
    }

    package mutating func enqueue(_ request: RequestPointer) {
        let pool = self.pool ?? makePool()
        var one = RequestFIFO()
        one.append(request)
        pool.enqueue(&one)
        inFlight += 1
    }

    @inline(__always)
    package mutating func collect(into answered: inout RequestFIFO) {
        if inFlight > 0, let pool { collect(from: pool, into: &answered) }
    }

    /// Whether the owner has to make another call.
    package enum Help {
        case none, now
        /// When others have had ``patience``.
        case later
    }

    /// Makes one call, if the owner has to and nothing speaks against it.
    @inline(__always)
    package mutating func serveIfDue(isIdleBeside: Bool, _ answered: inout RequestFIFO) -> Help {
        guard inFlight > 0, let pool else { return .none }
        return serve(pool, isIdleBeside, &answered)
    }

    private mutating func serve(
        _ pool: ThreadPool, _ isIdleBeside: Bool, _ answered: inout RequestFIFO
    ) -> Help {
        guard pool.isStarving else {
            postponed = 0
            return .none
        }
        let now = monotonicNanoseconds()
        if postponed == 0 { postponed = now }
        let isDue = isIdleBeside && answered.isEmpty || now &- postponed >= UInt64(Self.patience)
        guard isDue else { return isIdleBeside ? .now : .later }
        postponed = 0
        pool.serveStarving()
        collect(from: pool, into: &answered)
        guard pool.isStarving else { return .none }
        return isIdleBeside ? .now : .later
    }

    private mutating func collect(from pool: ThreadPool, into answered: inout RequestFIFO) {
        let before = answered.count
        var none = RequestFIFO()
        pool.collect(minimum: 0, limit: .forever, pending: &none, into: &answered)
        inFlight -= answered.count - before
    }

    package func cancel(_ request: RequestPointer) { pool?.cancel(request) }

    package func stop() { pool?.stop() }

    private mutating func makePool() -> ThreadPool {
        let made = ThreadPool(
            image: image, threadLimit: Self.limit, event: wake,
            isBesideRing: true)
        pool = made
        return made
    }
}
