/// The behaviour of the device behind a ``PCIFunction``. The function calls it on the thread that
/// accesses the function, before the access returns.
///
/// Values are little-endian, and widths are 1, 2 or 4 bytes, unless it says otherwise.
public protocol PCIDevice: AnyObject {
    /// The guest reads registers that a base address register decodes, while decoding is enabled.
    /// All bytes lie within its size, but may be misaligned.
    func read(_ function: PCIFunction, bar: Int, offset: Int, width: Int) -> UInt32

    /// The guest writes the low `width` bytes of `value` to registers that a base address register
    /// decodes.
    func write(_ function: PCIFunction, bar: Int, offset: Int, width: Int, value: UInt32)

    /// The guest reads the configuration space, at any offset and with 0 to 4 bytes. `value` is
    /// what is kept there; what is returned is what the guest sees. For registers whose content
    /// follows the device.
    func configurationRead(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) -> UInt32

    /// The guest has written to the configuration space, at any offset and with 0 to 4 bytes. The
    /// masks have been applied: `value` is what was written, ``PCIFunction/register(_:)`` what is
    /// kept. The gate and the base addresses are up to date, and the interrupt pin follows
    /// afterwards.
    func configurationWritten(_ function: PCIFunction, offset: Int, width: Int, value: UInt32)

    /// The level of the interrupt pin has changed.
    func interruptChanged(_ function: PCIFunction, isRaised: Bool)

    /// The function is being reset: the device withdraws its interrupt and forgets what it was
    /// told. It returns at once; until ``isBusy`` is false, what was begun before may still reach
    /// memory. The configuration space is reset afterwards.
    func reset(_ function: PCIFunction)

    /// Whether the device may reach memory without being accessed.
    var isBusy: Bool { get }

    /// Descriptors that are readable, as of epoll(7), when ``poll(_:)`` has something to do. They
    /// stay the same.
    var descriptors: [CInt] { get }

    /// Handles events, such as requests that have completed. Called also when another process has
    /// answered requests for its memory.
    func poll(_ function: PCIFunction)
}

extension PCIDevice {
    /// Returns the value that is kept.
    public func configurationRead(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) -> UInt32 { value }

    /// Does nothing.
    public func configurationWritten(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) {}

    /// Does nothing.
    public func interruptChanged(_ function: PCIFunction, isRaised: Bool) {}
}
