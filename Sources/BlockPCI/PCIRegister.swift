/// Offsets of the registers that every function has (PCI Local Bus 3.0, 6.1, figure 6-1).
public enum PCIRegister {
    /// Vendor ID, two bytes (6.2.1).
    public static let vendor = 0x00
    /// Device ID, two bytes (6.2.1).
    public static let device = 0x02
    /// Command, two bytes (6.2.2).
    public static let command = 0x04
    /// Status, two bytes (6.2.3).
    public static let status = 0x06
    /// Revision ID (6.2.1).
    public static let revision = 0x08
    /// Class code: programming interface, subclass and base class (6.2.1, appendix D).
    public static let programmingInterface = 0x09
    /// The second byte of the class code.
    public static let subclass = 0x0A
    /// The third byte of the class code.
    public static let baseClass = 0x0B
    /// Latency timer (6.2.4).
    public static let latencyTimer = 0x0D
    /// Header type (6.2.1); bit 7 says that the device has several functions.
    public static let headerType = 0x0E
    /// The first of six base address registers of four bytes (6.2.5.1).
    public static let firstBAR = 0x10
    /// Subsystem vendor ID, two bytes (6.2.4).
    public static let subsystemVendor = 0x2C
    /// Subsystem ID, two bytes (6.2.4).
    public static let subsystem = 0x2E
    /// Capabilities pointer (6.2.4, 6.7).
    public static let capabilities = 0x34
    /// Interrupt line (6.2.4).
    public static let interruptLine = 0x3C
    /// Interrupt pin (6.2.4).
    public static let interruptPin = 0x3D
    /// The first register that is the device's own.
    public static let deviceSpecific = 0x40
    /// Behind the last register of conventional PCI. The 4096 bytes of PCI Express begin with the same 256.
    public static let conventionalEnd = 0x100
}
