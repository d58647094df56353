import BlockHost
import BlockIO

/// Uses helper threads as an engine with a ring does, for the exploration of their schedules
/// (Tests/PoolExploration). The wake event stands for the ring, which would poll it.
struct HelperThreadsDriver: ~Copyable {
    private let event: Event
    private var helpers: HelperThreads
    private let requests: UnsafeMutablePointer<IORequest>
    private let count: Int
    private var answered = RequestFIFO()

    /// How long the owner lets other requests go before a call that it has to make itself.
    static var patience: Int64 { HelperThreads.patience }

    init(image: BlockImage, requests count: Int) throws {
        event = try Event()
        helpers = HelperThreads(image: image, engine: .ioURing, wake: event)
        self.count = count
        requests = .allocate(capacity: count)
        requests.initialize(repeating: IORequest(), count: count)
    }

    deinit {
        requests.deinitialize(count: count)
        requests.deallocate()
    }

    var wakeDescriptor: CInt { event.descriptor }

    var inFlight: Int { helpers.inFlight }

    mutating func discard(_ index: Int, at offset: UInt64) {
        (requests + index).pointee.submission = EngineSubmission(
            .punchHole, at: offset, length: 512)
        helpers.enqueue(StablePointer(requests + index))
    }

    mutating func cancel(_ index: Int) { helpers.cancel(StablePointer(requests + index)) }

    /// The owner has seen that the event is readable.
    func clear() { event.clear() }

    mutating func collect() { helpers.collect(into: &answered) }

    /// True when the owner has to look again after ``patience``.
    mutating func serveIfDue(isIdleBeside: Bool) -> Bool {
        let help = helpers.serveIfDue(isIdleBeside: isIdleBeside, &answered)
        if help == .now { event.signal() }
        return help == .later
    }

    /// The next that has ended, and its result.
    mutating func takeFinished() -> (index: Int, result: Int64)? {
        guard let request = answered.popFirst() else { return nil }
        return (request.base - requests, request.pointee.result)
    }

    mutating func stop() {
        helpers.stop()
        event.close()
    }
}
