/// The numbers by which software recognises a function (PCI Local Bus 3.0, 6.2.1 and 6.2.4).
public struct PCIIdentity: Sendable, Hashable {
    /// Register 00h.
    public var vendor: UInt16
    /// Register 02h.
    public var device: UInt16
    /// Register 08h.
    public var revision: UInt8
    /// Register 0Bh (appendix D).
    public var baseClass: UInt8
    /// Register 0Ah (appendix D).
    public var subclass: UInt8
    /// Register 09h (appendix D).
    public var programmingInterface: UInt8
    /// Register 2Ch.
    public var subsystemVendor: UInt16
    /// Register 2Eh.
    public var subsystem: UInt16

    /// An identity with these numbers. The subsystem registers read as 0 by default.
    public init(
        vendor: UInt16, device: UInt16, revision: UInt8 = 0, baseClass: UInt8, subclass: UInt8,
        programmingInterface: UInt8 = 0, subsystemVendor: UInt16 = 0, subsystem: UInt16 = 0
    ) {
        self.vendor = vendor
        self.device = device
        self.revision = revision
        self.baseClass = baseClass
        self.subclass = subclass
        self.programmingInterface = programmingInterface
        self.subsystemVendor = subsystemVendor
        self.subsystem = subsystem
    }
}
