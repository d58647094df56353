/// Describes a function as data: the registers of its configuration space, and what its base
/// address registers decode. It does not change while the function exists.
public struct PCIFunctionLayout: Sendable, Hashable {
    /// The interrupt pin of a function (PCI Local Bus 3.0, 2.2.6 and 6.2.4).
    public enum InterruptPin: UInt8, Sendable, Hashable {
        /// INTA#, the only one of a device with one function.
        case a = 1
        /// INTB#
        case b
        /// INTC#
        case c
        /// INTD#
        case d
    }

    /// The numbers by which software recognises the function.
    public var identity: PCIIdentity
    /// Whether the device has other functions, too (bit 7 of the header type).
    public var isMultifunction = false
    /// The bits of the command register that keep what is written; the others are 0. None by
    /// default.
    public var command: PCICommand = []
    /// The bits of the status register that are always set, without those for interrupts and
    /// capabilities.
    public var status: PCIStatus = []
    /// The bits of the status register that ``PCIFunction/note(_:)`` sets and the guest clears by
    /// writing 1.
    public var clearableStatus: PCIStatus = []
    /// The base address registers, six at most; `nil` for one that does not exist.
    public var bars: [PCIBaseAddress?] = []
    /// The pin, if the function has one. The interrupt line register then keeps what is written.
    public var interruptPin: InterruptPin?
    /// Entries of the capabilities list, in its order.
    public var capabilities: [PCICapability] = []
    /// Registers beyond the header, and registers of the header that no other property describes,
    /// such as the latency timer.
    public var registers: [PCIRegisterBlock] = []

    /// A function without base addresses, interrupt and registers of its own.
    public init(_ identity: PCIIdentity) { self.identity = identity }
}
