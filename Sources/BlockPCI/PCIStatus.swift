/// The status register (PCI Local Bus 3.0, 6.2.3, table 6-2).
public struct PCIStatus: OptionSet, Sendable, Hashable {
    /// The register.
    public let rawValue: UInt16

    /// A register with this content.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Bit 3: the device asks for an interrupt, whether or not the command register lets it through
    /// (since PCI Local Bus 2.3).
    public static let interrupt = PCIStatus(rawValue: 1 << 3)
    /// Bit 4: there is a list of capabilities.
    public static let capabilities = PCIStatus(rawValue: 1 << 4)
    /// Bit 7: capable of fast back-to-back transactions.
    public static let fastBackToBack = PCIStatus(rawValue: 1 << 7)
    /// Bits 10 and 9, 01b: DEVSEL# has medium timing.
    public static let mediumTiming = PCIStatus(rawValue: 1 << 9)
    /// Bit 11: the function has ended a transaction as its target by Target-Abort.
    public static let signaledTargetAbort = PCIStatus(rawValue: 1 << 11)
    /// Bit 12: a target has ended a transaction of the function by Target-Abort.
    public static let receivedTargetAbort = PCIStatus(rawValue: 1 << 12)
    /// Bit 13: nobody has answered a transaction of the function.
    public static let receivedMasterAbort = PCIStatus(rawValue: 1 << 13)
    /// Bit 14: the function has asserted SERR#.
    public static let signaledSystemError = PCIStatus(rawValue: 1 << 14)
}
