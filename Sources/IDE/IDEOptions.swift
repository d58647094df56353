/// How a controller reaches guest memory. No option changes what a guest sees.
public struct IDEOptions: Sendable {
    /// Every transfer passes through a bounce buffer as a whole; for debugging, false by default.
    public var forceBounce: Bool
    /// Most bytes of a transfer that bounce at a time: a power of two from 512 to the size of the
    /// address space's bounce pool. `nil`, the default, is the size of the pool.
    public var bounceLimit: Int?
    /// Whether transfers that have ended are kept for the next ones; true by default.
    public var dmaCache: Bool
    /// Called from any thread when ``IDEController/poll(timeout:)`` has work for which none of the
    /// ``IDEController/descriptors`` is readable: another device on the same address space has
    /// released bounce buffers that a transfer waits for, or a `RemoteMemory` has answered.
    public var wake: (@Sendable () -> Void)?

    /// Options with the defaults described at each property.
    public init(
        forceBounce: Bool = false, bounceLimit: Int? = nil, dmaCache: Bool = true,
        wake: (@Sendable () -> Void)? = nil
    ) {
        self.forceBounce = forceBounce
        self.bounceLimit = bounceLimit
        self.dmaCache = dmaCache
        self.wake = wake
    }
}
