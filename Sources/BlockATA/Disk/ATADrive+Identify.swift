// IDENTIFY DEVICE (ATA/ATAPI-6 8.15): claims what the other commands do, and nothing else.
extension ATADrive {
    /// Fills `page` with the 256 words.
    func identify(_ page: UnsafeMutableRawBufferPointer) {
        var words = IdentifyPage(page)
        identifyGeometry(&words)
        identifyModes(&words)
        identifyFeatures(&words)
        words.putText(10, disk.options.serial, words: 10)
        words.putText(23, disk.options.firmware, words: 4)
        words.putText(27, disk.options.model, words: 20)
        words.seal()
    }

    private func identifyGeometry(_ words: inout IdentifyPage) {
        // 8.15.8: an ATA device, not removable.
        words[0] = 0x0040
        words[1] = UInt16(clamping: disk.geometry.cylinders)
        words[3] = UInt16(clamping: disk.geometry.heads)
        words[6] = UInt16(clamping: disk.geometry.sectors)
        let settings = state.pointee.settings
        let track = UInt64(settings.heads) &* UInt64(settings.sectors)
        let cylinders = currentCylinders(track: track)
        words[54] = UInt16(clamping: cylinders)
        words[55] = UInt16(settings.heads)
        words[56] = UInt16(settings.sectors)
        words.put32(57, cylinders &* track)
        words.put32(60, min(disk.sectorCount, 0xFFF_FFFF))
        // 8.15.55
        words.put32(100, disk.sectorCount)
        words.put32(102, disk.sectorCount >> 32)
    }

    /// Word 54. The default translation has the cylinders of word 1, and each has at least one on a
    /// disk that has sectors (ATA/ATAPI-5 6.2.1).
    private func currentCylinders(track: UInt64) -> UInt64 {
        let (settings, geometry) = (state.pointee.settings, disk.geometry)
        if settings.heads == geometry.heads && settings.sectors == geometry.sectors {
            return UInt64(clamping: geometry.cylinders)
        }
        guard track > 0, disk.sectorCount > 0 else { return 0 }
        // More than 16383 cylinders of 16 heads and 63 sectors are not addressed so (ATA/ATAPI-5
        // 6.2.1).
        return min(max(1, min(disk.sectorCount, 16383 * 16 * 63) / track), 65535)
    }

    private func identifyModes(_ words: inout IdentifyPage) {
        let settings = state.pointee.settings
        // 8.15.24
        words[47] = 0x8000 | UInt16(DiskSettings.maximumMultiple)
        // ATA/ATAPI-3 8.12.23: 32-bit accesses of the data port work.
        words[48] = 0x0001
        // 8.15.25: IORDY, LBA, DMA
        words[49] = 1 << 11 | 1 << 9 | 1 << 8
        // 8.15.26: bit 14 shall be one.
        words[50] = 1 << 14
        // ATA/ATAPI-4 8.12.26: PIO mode 2 is the fastest that needs no flow control.
        words[51] = 0x0200
        // 8.15.28: words 54-58, 64-70 and 88 are valid.
        words[53] = 0x0007
        // 8.15.30
        words[59] = settings.multiple == 0 ? 0 : 0x0100 | UInt16(settings.multiple)
        // 8.15.32, 8.15.50: the modes below and, in the high byte, the one selected.
        words[63] = 0x0007
        words[88] = 0x003F
        let mode = UInt16(0x0100) << UInt16(settings.transferMode & 0x07)
        words[settings.transferMode & 0x40 == 0 ? 63 : 88] |= mode
        // 8.15.33: PIO modes 3 and 4.
        words[64] = 0x0003
        // 8.15.34 to 8.15.37: 120 ns, the cycle of these modes.
        for word in 65...68 { words[word] = 120 }
        // 8.15.53: an 80-conductor cable; device 0 and device 1 answer in their own byte.
        words[93] = slot.device == 0 ? 0x6001 : 0x6100
    }

    private func identifyFeatures(_ words: inout IdentifyPage) {
        let settings = state.pointee.settings
        // 8.15.41: ATA/ATAPI-4 to ATA/ATAPI-7.
        words[80] = 0x00F0
        // 8.15.43: NOP, READ BUFFER, WRITE BUFFER, look-ahead, write cache, power management, SMART
        words[82] = 1 << 14 | 1 << 13 | 1 << 12 | 1 << 6 | 1 << 5 | 1 << 3 | 1 << 0
        // FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses; bit 14 shall be one.
        words[83] = 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10
        // ATA/ATAPI-7 6.17.46: FUA; 8.15.43: SMART self-test and error logging; bit 14 shall be
        // one.
        words[84] = 1 << 14 | 1 << 6 | 1 << 1 | 1 << 0
        // 8.15.44: what of it is switched on.
        words[85] = words[82]
        if !settings.isLookAheadOn { words[85] &= ~(1 << 6) }
        if !settings.isWriteCacheOn { words[85] &= ~(1 << 5) }
        if !settings.isSMARTOn { words[85] &= ~(1 << 0) }
        words[86] = 1 << 13 | 1 << 12 | 1 << 10
        words[87] = words[84]
        if canTrim {
            // ACS-2 7.16.7.52, 7.16.7.74
            words[105] = UInt16(clamping: Self.maximumTrimBlocks)
            words[169] = 1
        }
    }
}

/// The 256 little-endian words of an IDENTIFY answer.
struct IdentifyPage {
    private let page: UnsafeMutableRawBufferPointer

    /// A page of 512 zero bytes.
    init(_ page: UnsafeMutableRawBufferPointer) { self.page = page }

    subscript(word: Int) -> UInt16 {
        get { UInt16(littleEndian: page.loadUnaligned(fromByteOffset: 2 * word, as: UInt16.self)) }
        nonmutating set {
            page.storeBytes(of: newValue.littleEndian, toByteOffset: 2 * word, as: UInt16.self)
        }
    }

    /// The low 32 bits of `value`, low word first.
    func put32(_ word: Int, _ value: UInt64) {
        self[word] = UInt16(truncatingIfNeeded: value)
        self[word + 1] = UInt16(truncatingIfNeeded: value >> 16)
    }

    /// Text, the first character of each word high, padded with spaces (8.15.11).
    func putText(_ word: Int, _ text: String, words: Int) {
        var characters = text.utf8.makeIterator()
        for index in word..<word + words {
            let high = characters.next() ?? 0x20
            let low = characters.next() ?? 0x20
            self[index] = UInt16(high) << 8 | UInt16(low)
        }
    }

    /// Word 255 (8.15.61): the signature A5h, and a byte that makes the sum of all bytes 0.
    func seal() {
        page[510] = 0xA5
        page[511] = 0
        page[511] = 0 &- page.reduce(0, &+)
    }
}
