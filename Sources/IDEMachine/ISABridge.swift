import IDE

/// Function 0 of the chip whose function 1 is the IDE controller. A device with functions has one
/// (PCI Local Bus 2.1, 6.2.1, Header Type): software that looks for devices asks there first.
final class ISABridge: PCIConfigurationSpace {
    private let deviceID: UInt32

    /// The one on the same chip as the IDE function of this identity: 8086:7000 is the PIIX3's
    /// (82371SB datasheet, 2.2.2), 8086:7110 the PIIX4's (82371AB datasheet, 4.1.2).
    init(besides identity: PCIIdentity) {
        deviceID = identity == .piix4 ? 0x7110 : 0x7000
    }

    /// PCI Local Bus 2.1, 6.1 and 6.2.1; what is not here reads zero.
    func readConfiguration(_ offset: Int, width: Int) -> UInt32 {
        let register: UInt32 =
            switch offset & ~3 {
            case 0x00: 0x8086 | deviceID << 16
            case 0x08: 0x060100 << 8  // class code: bridge, ISA
            case 0x0c: 0x80 << 16  // header type: several functions
            default: 0
            }
        let mask = UInt32.max >> UInt32(32 - 8 * width)
        return register >> UInt32(8 * (offset & 3)) & mask
    }

    /// It has no register to write.
    func writeConfiguration(_ offset: Int, width: Int, value: UInt32) {}
}
