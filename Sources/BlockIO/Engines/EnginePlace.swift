/// The stable address of an engine, whatever the engine's type.
protocol EnginePlace {
    func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO)
    func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd
    func cancel(_ request: RequestPointer)
    var inFlight: Int { get }
    var descriptor: CInt { get }
    var wakeEvent: WakeEvent { get }
    var inlineCompletions: UInt64 { get }
    var pollerOperations: UInt64 { get }
    /// Shuts the engine down and frees its place.
    func remove()
}

extension UnsafeMutablePointer: EnginePlace where Pointee: Engine & ~Copyable {
    /// Gives an engine its place.
    static func place(_ engine: consuming Pointee) -> Self {
        let place = Self.allocate(capacity: 1)
        place.initialize(to: engine)
        return place
    }

    func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        pointee.submit(&pending, finished: &finished)
    }

    func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        pointee.reap(minimum: minimum, limit: limit, pending: &pending, finished: &finished)
    }

    func cancel(_ request: RequestPointer) { pointee.cancel(request) }
    var inFlight: Int { pointee.inFlight }
    var descriptor: CInt { pointee.descriptor }
    var wakeEvent: WakeEvent { pointee.wakeEvent }
    var inlineCompletions: UInt64 { pointee.inlineCompletions }
    var pollerOperations: UInt64 { pointee.pollerOperations }

    func remove() {
        pointee.shutDown()
        deinitialize(count: 1)
        deallocate()
    }
}
