import BlockPCI

/// Where the PCI0646 has what no other function has (CMD Technology, PCI0646U2 data sheet, chapter 5):
/// copies of the channels' interrupts. A copy is set when INTRQ rises, and cleared when it falls or 1 is
/// written; it is the copies that make INTA, unless they are blocked.
enum CMD646 {
    /// CFR: configuration; bit 2 is the primary channel's interrupt.
    static let cfr = 0x50
    static let primaryInCFR: UInt8 = 1 << 2
    /// CNTRL: bits 2 and 3 enable the channels.
    static let control = 0x51
    static let channelsEnabled: UInt8 = 1 << 2 | 1 << 3
    /// ARTTIM23: address setup time; bit 4 is the secondary channel's interrupt.
    static let arttim23 = 0x57
    static let secondaryInARTTIM23: UInt8 = 1 << 4
    static let timingMask: UInt8 = 0xC0
    /// MRDMODE: bits 2 and 3 are the channels' interrupts, bits 4 and 5 block them.
    static let mrdmode = 0x71
    static let interruptShift = 2
    static let blockShift = 4
    static let blockMask: UInt8 = 3 << 4

    /// What drivers write: the channels' timing, and what blocks their interrupts.
    static let registers = [
        PCIRegisterBlock(at: cfr + 1, count: 11, keeping: 0xFF),
        PCIRegisterBlock(at: control, reset: [channelsEnabled], writable: [0xFF]),
        PCIRegisterBlock(at: arttim23, keeping: timingMask),
        PCIRegisterBlock(at: mrdmode, keeping: blockMask),
    ]

    /// The configuration register that an offset in the bus-master registers, at which SFF-8038i has
    /// none, shows.
    static func configurationRegister(ofBusMaster offset: Int) -> Int? {
        offset == 1 ? mrdmode : nil
    }
}
