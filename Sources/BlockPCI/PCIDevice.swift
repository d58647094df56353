/// What is behind a ``PCIFunction``: the device's own behaviour. The function calls it on the thread that
/// accesses the function, in the middle of that.
///
/// Values are little-endian, and widths are 1, 2 or 4 bytes, unless it says otherwise.
public protocol PCIDevice: AnyObject {
    /// A read of the registers that a base address register decodes, which answer at the moment. All of
    /// the bytes lie within its size; nothing says that they are aligned.
    func read(_ function: PCIFunction, bar: Int, offset: Int, width: Int) -> UInt32

    /// A write to the registers that a base address register decodes: the low `width` bytes of `value`.
    func write(_ function: PCIFunction, bar: Int, offset: Int, width: Int, value: UInt32)

    /// The guest reads the configuration space, at any offset and with 0 to 4 bytes. `value` is what is kept
    /// there; what is returned is what the guest sees. For registers whose content follows the device.
    func configurationRead(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) -> UInt32

    /// The guest has written to the configuration space, at any offset and with 0 to 4 bytes. The masks have
    /// been applied: `value` is what was written, ``PCIFunction/register(_:)`` what is kept. The gate and
    /// the base addresses are up to date, and the interrupt pin follows afterwards.
    func configurationWritten(_ function: PCIFunction, offset: Int, width: Int, value: UInt32)

    /// The level of the interrupt pin has changed.
    func interruptChanged(_ function: PCIFunction, isRaised: Bool)

    /// The function is being reset: the device withdraws its interrupt and forgets what it was told. It
    /// returns at once; until ``isBusy`` is false, what was begun before may still reach memory. The
    /// configuration space is reset afterwards.
    func reset(_ function: PCIFunction)

    /// Whether the device may reach memory without being accessed.
    var isBusy: Bool { get }

    /// Descriptors that are readable, as of epoll(7), when ``poll(_:)`` has something to do. They stay the
    /// same.
    var descriptors: [CInt] { get }

    /// Takes in what has happened elsewhere. Called also when memory of another process that was asked for
    /// by message has come.
    func poll(_ function: PCIFunction)
}

extension PCIDevice {
    /// The guest sees what is kept.
    public func configurationRead(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) -> UInt32 { value }

    /// The device has no interest in it.
    public func configurationWritten(
        _ function: PCIFunction, offset: Int, width: Int, value: UInt32
    ) {}

    /// The device has no interest in it.
    public func interruptChanged(_ function: PCIFunction, isRaised: Bool) {}
}
