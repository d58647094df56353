// IDENTIFY PACKET DEVICE (ATA/ATAPI-6 8.16): claims what the drive does, and nothing else.
extension PacketExecution {
    /// Fills `page` with the 256 words.
    func identify(_ page: SectorPage) {
        let words = IdentifyPage(page)
        let options = cdrom.options
        // 8.16.9: ATAPI, CD-ROM, removable, DRQ within 50 us of PACKET, packets of 12 bytes.
        words[0] = 2 << 14 | 5 << 8 | 1 << 7 | 2 << 5
        words.putText(10, options.serial, words: 10)
        words.putText(23, options.firmware, words: 4)
        words.putText(27, "\(options.vendor) \(options.product)", words: 20)
        // 8.16.18: words 64-70 and 88 are valid.
        words[53] = 0x0006
        words.putInterface(mode: settings.transferMode, cable: core.connection.cable)
        // 8.16.31: ATA/ATAPI-4 to ATA/ATAPI-6.
        words[80] = 0x0070
        // 8.16.33: NOP, DEVICE RESET, PACKET, power management.
        words[82] = 1 << 14 | 1 << 9 | 1 << 4 | 1 << 3
        // Bit 14 shall be one.
        words[83] = 1 << 14
        words[84] = 1 << 14
        // 8.16.34: all of it is on.
        words[85] = words[82]
        words[87] = words[84]
        words.seal()
    }
}
