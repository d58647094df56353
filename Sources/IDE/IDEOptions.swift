/// How a controller reaches guest memory. All settings show a guest the same.
public struct IDEOptions: Sendable {
    /// Every transfer passes through a bounce buffer as a whole; for debugging, false by default.
    public var forceBounce: Bool
    /// How many bytes of a transfer may bounce at a time: a power of two, 512 to the size of the
    /// address space's bounce pool; `nil`, the default, is all of that.
    public var bounceLimit: Int?
    /// Whether transfers that have ended are kept for the next ones; true by default.
    public var dmaCache: Bool
    /// Called from any thread when ``IDEController/poll(timeout:)`` has something to do that none
    /// of the ``IDEController/descriptors`` tells: another device on the same address space has
    /// given back bounce buffers that a transfer waits for, or a `RemoteMemory` has answered.
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
