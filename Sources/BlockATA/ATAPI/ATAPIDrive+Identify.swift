// IDENTIFY PACKET DEVICE (ATA/ATAPI-6 8.16): claims what the drive does, and nothing else.
extension ATAPIDrive {
    /// Fills `page` with the 256 words.
    func identify(_ page: UnsafeMutableRawBufferPointer) {
        let words = IdentifyPage(page)
        let options = cdrom.options
        // 8.16.9: ATAPI, CD-ROM, removable, DRQ within 50 us of PACKET, packets of 12 bytes.
        words[0] = 2 << 14 | 5 << 8 | 1 << 7 | 2 << 5
        words.putText(10, options.serial, words: 10)
        words.putText(23, options.firmware, words: 4)
        words.putText(27, "\(options.vendor) \(options.product)", words: 20)
        // ATA/ATAPI-3 8.12.23: 32-bit accesses of the data port work.
        words[48] = 0x0001
        // 8.16.16: IORDY, LBA (obsolete, always set), DMA.
        words[49] = 1 << 11 | 1 << 9 | 1 << 8
        // 8.16.17: bit 14 shall be one.
        words[50] = 1 << 14
        // ATA/ATAPI-4 8.13.14: PIO mode 2 is the fastest that needs no flow control.
        words[51] = 0x0200
        // 8.16.18: words 64-70 and 88 are valid.
        words[53] = 0x0006
        // 8.16.20, 8.16.38: the modes below and, in the high byte, the one selected.
        words[63] = 0x0007
        words[88] = 0x003F
        TransferMode.mark(state.pointee.settings.transferMode, in: words)
        // 8.16.21: PIO modes 3 and 4.
        words[64] = 0x0003
        // 8.16.22 to 8.16.25: 120 ns, the cycle of these modes.
        for word in 65...68 { words[word] = 120 }
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
        // 8.16.40: an 80-conductor cable; device 0 and device 1 answer in their own byte.
        words[93] = slot.device == 0 ? 0x6001 : 0x6100
        words.seal()
    }
}
