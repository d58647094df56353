package import BlockHost

/// An open engine at an address of its own, whatever its type: see ``Engine`` for what each call means.
package protocol OpenEngine {
    func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO)
    func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd
    func cancel(_ request: RequestPointer)
    var inFlight: Int { get }
    var descriptor: CInt { get }
    var wakeEvent: WakeEvent { get }
    func openToWakes()
    func setDescriptorWatched(_ isWatched: Bool)
    var inlineCompletions: UInt64 { get }
    var pollerOperations: UInt64 { get }
    /// Shuts the engine down and frees its memory. Nothing may be in flight, and nothing comes after.
    func close()
}
