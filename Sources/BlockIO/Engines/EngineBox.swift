package import BlockHost

/// Gives an engine its address. It must be closed.
package struct EngineBox<Content: Engine & ~Copyable>: OpenEngine {
    let content: StablePointer<Content>

    package init(_ engine: consuming Content) {
        content = StablePointer(allocating: engine)
    }

    init(_ content: StablePointer<Content>) { self.content = content }

    package func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        content.pointee.submit(&pending, answered: &answered)
    }

    package func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        content.pointee.reap(
            minimum: minimum, limit: limit, pending: &pending, answered: &answered)
    }

    package func cancel(_ request: RequestPointer) { content.pointee.cancel(request) }
    package var inFlight: Int { content.pointee.inFlight }
    package var descriptor: CInt { content.pointee.descriptor }
    package var wakeEvent: WakeEvent { content.pointee.wakeEvent }
    package func openToWakes() { content.pointee.openToWakes() }
    package func setDescriptorWatched(_ isWatched: Bool) {
        content.pointee.setDescriptorWatched(isWatched)
    }
    package var inlineCompletions: UInt64 { content.pointee.inlineCompletions }
    package var pollerOperations: UInt64 { content.pointee.pollerOperations }

    package func close() {
        content.pointee.shutDown()
        unsafe content.destroy()
    }
}
