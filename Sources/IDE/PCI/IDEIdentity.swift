import BlockPCI

/// Which IDE function of a PCI bus the controller is.
public struct IDEIdentity: Sendable, Hashable {
    /// Configuration register 00h (PCI 2.2, 6.2.1).
    public let vendor: UInt16
    /// Configuration register 02h.
    public let device: UInt16
    /// Configuration register 08h.
    public let revision: UInt8
    /// Configuration register 09h: 80h is a bus master at the compatibility ports, 8Fh one whose
    /// ports and interrupt are those of any PCI function (PCI IDE Controller Specification 1.0,
    /// 5.0).
    public let programmingInterface: UInt8
    /// Configuration registers beyond the header that keep what is written.
    let timingRegisters: [ClosedRange<Int>]

    /// The registers are those of ``cmd646``.
    var isCMD646: Bool { self == .cmd646 }

    /// IDE ports and interrupt as of any PCI function.
    public var isNative: Bool { programmingInterface & 0x05 == 0x05 }

    /// The second function of Intel's 82371SB (datasheet 290550, 2.3), at the compatibility ports.
    public static let piix3 = IDEIdentity(
        vendor: 0x8086, device: 0x7010, revision: 0, programmingInterface: 0x80,
        // IDETIM, SIDETIM
        timingRegisters: [0x40...0x43, 0x44...0x44])

    /// The second function of Intel's 82371AB (datasheet 290562, 4.1), at the compatibility ports.
    public static let piix4 = IDEIdentity(
        vendor: 0x8086, device: 0x7111, revision: 0, programmingInterface: 0x80,
        // IDETIM, SIDETIM, UDMACTL and UDMATIM
        timingRegisters: [0x40...0x43, 0x44...0x44, 0x48...0x4B])

    /// CMD's 646, revision 7, which is never at the compatibility ports.
    public static let cmd646 = IDEIdentity(
        vendor: 0x1095, device: 0x0646, revision: 7, programmingInterface: 0x8F,
        timingRegisters: [])

    /// The same function with ports and interrupt as of any PCI function: for hosts without
    /// compatibility ports.
    public var native: IDEIdentity {
        IDEIdentity(
            vendor: vendor, device: device, revision: revision, programmingInterface: 0x8F,
            timingRegisters: timingRegisters)
    }
}
