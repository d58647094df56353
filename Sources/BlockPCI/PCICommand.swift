/// The command register (PCI Local Bus 3.0, 6.2.2, table 6-1).
public struct PCICommand: OptionSet, Sendable, Hashable {
    /// The register.
    public let rawValue: UInt16

    /// A register with this content.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Bit 0: I/O ports answer.
    public static let io = PCICommand(rawValue: 1 << 0)
    /// Bit 1: memory answers.
    public static let memory = PCICommand(rawValue: 1 << 1)
    /// Bit 2: the function may reach memory by itself.
    public static let busMaster = PCICommand(rawValue: 1 << 2)
    /// Bit 6: parity errors are answered.
    public static let parityErrorResponse = PCICommand(rawValue: 1 << 6)
    /// Bit 8: SERR# is driven.
    public static let systemError = PCICommand(rawValue: 1 << 8)
    /// Bit 10: the interrupt pin stays low (since PCI Local Bus 2.3).
    public static let interruptDisable = PCICommand(rawValue: 1 << 10)
}
