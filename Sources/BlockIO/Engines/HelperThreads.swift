/// The few threads beside a ring, for calls that the kernel has no asynchronous form of. Made at the
/// first such request.
///
/// What ends there makes the engine's wake event readable, so that one wait covers both.
struct HelperThreads: ~Copyable {
    /// Discards and the like are slow, rare, and never many at once.
    private static let limit = 4

    private let image: BlockImage
    private let wakeDescriptor: CInt
    private var pool: ThreadPool?
    private(set) var inFlight = 0

    init(image: BlockImage, wakeDescriptor: CInt) {
        self.image = image
        self.wakeDescriptor = wakeDescriptor
    }

    /// False when the system gives no thread; then the request stays with the caller.
    mutating func enqueue(_ request: RequestPointer) -> Bool {
        let pool = self.pool ?? makePool()
        var one = RequestFIFO()
        one.append(request)
        pool.enqueue(&one)
        if !one.isEmpty { return false }
        inFlight += 1
        return true
    }

    @inline(__always)
    mutating func collect(into finished: inout RequestFIFO) {
        if inFlight > 0, let pool { collect(from: pool, into: &finished) }
    }

    private mutating func collect(from pool: ThreadPool, into finished: inout RequestFIFO) {
        let before = finished.count
        var none = RequestFIFO()
        pool.collect(minimum: 0, limit: .forever, pending: &none, into: &finished)
        inFlight -= finished.count - before
    }

    func cancel(_ request: RequestPointer) { pool?.cancel(request) }

    func stop() { pool?.stop() }

    private mutating func makePool() -> ThreadPool {
        let made = ThreadPool(
            image: image, threadLimit: Self.limit, eventDescriptor: wakeDescriptor,
            clearsDescriptor: false)
        pool = made
        return made
    }
}
