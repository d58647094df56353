/// What a call of ``VirtioBlockQueue/serve()`` has done, and what it asks of the transport.
public struct VirtioService: Sendable, Hashable {
    /// The driver wants an interrupt: one, for all that was completed.
    public internal(set) var isInterruptDue = false
    /// The work of one call is limited, and there is more: call `serve` again soon.
    public internal(set) var isMoreWaiting = false
    /// The ring was found to break a rule (``VirtioBlockQueue/fault``). The device needs a reset;
    /// this is said once.
    public internal(set) var isBroken = false
    /// The error policy `stop` has kept a request: the emulator stops the machine, and calls
    /// ``VirtioBlockQueue/retry()`` when it goes on.
    public internal(set) var isMachineStopRequested = false
    /// How many requests were taken from the ring.
    public internal(set) var taken = 0
    /// How many requests have completed.
    public internal(set) var completed = 0

    /// Nothing was done, and nothing is asked.
    public init() {}
}
