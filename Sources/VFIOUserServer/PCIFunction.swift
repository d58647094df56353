/// A PCI function as its bus sees it: what a ``VFIOUserServer`` serves.
///
/// The server calls it from one thread, the one that runs the server. Numbers from a peer are checked
/// against the sizes before they get here; what is left can be any access that a guest can make.
public protocol PCIFunction: AnyObject {
    /// How many bytes base address register `index` (0 to 5) decodes; 0 when it does not exist.
    func size(ofBAR index: Int) -> Int

    /// Reads `width` bytes (1, 2 or 4) at `offset` in the configuration space, little-endian. Both lie
    /// in its 256 bytes (PCI 2.2, 6.1).
    func readConfiguration(_ offset: Int, width: Int) -> UInt32
    /// Writes the low `width` bytes of `value`.
    func writeConfiguration(_ offset: Int, width: Int, value: UInt32)

    /// Reads `width` bytes (1, 2 or 4) at `offset` in what a base address register decodes,
    /// little-endian.
    func read(bar: Int, offset: Int, width: Int) -> UInt32
    /// Writes the low `width` bytes of `value`.
    func write(bar: Int, offset: Int, width: Int, value: UInt32)

    /// The function's reset. It returns at once; until ``isBusy`` is false, what was begun before may
    /// still reach memory.
    func reset()
    /// Whether the function may reach memory without being accessed.
    var isBusy: Bool { get }

    /// Descriptors that are readable, as of epoll(7), when ``poll()`` has something to do. They stay
    /// the same.
    var descriptors: [CInt] { get }
    /// Takes in what has happened elsewhere. Called also when memory that was asked for by message has
    /// come.
    func poll()
}
