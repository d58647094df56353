/// Registers in the configuration space of a PIIX3 or PIIX4 (82371FB and 82371SB, 82371AB data sheets).
enum PIIXOffset {
    /// IDETIM: two bytes for each channel; bit 15 of each enables the channel.
    static let timing = 0x40
    /// SIDETIM: one byte, the timing of the slaves.
    static let slaveTiming = 0x44
    /// UDMACTL and UDMATIM, four bytes with what is between; the PIIX4 alone has them.
    static let ultraDMA = 0x48
}

/// Registers of a CMD646 that have a copy of an interrupt (PCI0646U2 data sheet, chapter 5).
enum CMD646Register {
    static let cfr = (offset: 0x50, primaryInterrupt: UInt8(0x04))
    static let arttim23 = (offset: 0x57, secondaryInterrupt: UInt8(0x10))
    static let mrdmode = (
        offset: 0x71, primaryInterrupt: UInt8(0x04), secondaryInterrupt: UInt8(0x08),
        primaryBlocked: UInt8(0x10), secondaryBlocked: UInt8(0x20)
    )
    /// Where the bus master of the primary channel shows MRDMODE.
    static let mrdmodeInBusMaster: UInt16 = 1
}
