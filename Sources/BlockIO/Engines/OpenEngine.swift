import BlockHost

/// An open engine at an address of its own, whatever its type: see ``Engine`` for what each call means.
package protocol OpenEngine {
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
    /// Shuts the engine down and frees its memory. Nothing may be in flight, and nothing comes after.
    func close()
}

/// Gives an engine its address. It must be closed.
package struct EngineBox<Content: Engine & ~Copyable>: OpenEngine {
    let content: UnsafeMutablePointer<Content>

    package init(_ engine: consuming Content) {
        content = .allocate(capacity: 1)
        content.initialize(to: engine)
    }

    init(_ content: UnsafeMutablePointer<Content>) { self.content = content }

    package func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        content.pointee.submit(&pending, finished: &finished)
    }

    package func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        content.pointee.reap(
            minimum: minimum, limit: limit, pending: &pending, finished: &finished)
    }

    package func cancel(_ request: RequestPointer) { content.pointee.cancel(request) }
    package var inFlight: Int { content.pointee.inFlight }
    package var descriptor: CInt { content.pointee.descriptor }
    package var wakeEvent: WakeEvent { content.pointee.wakeEvent }
    package var inlineCompletions: UInt64 { content.pointee.inlineCompletions }
    package var pollerOperations: UInt64 { content.pointee.pollerOperations }

    package func close() {
        content.pointee.shutDown()
        content.deinitialize(count: 1)
        content.deallocate()
    }
}
