// IDENTIFY DEVICE (ATA/ATAPI-6 8.15): claims what the other commands do, and nothing else.
extension DiskExecution {
    /// Fills `page` with the 256 words.
    func identify(_ page: SectorPage) {
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
        let settings = settings
        let track = UInt64(settings.heads) &* UInt64(settings.sectors)
        let cylinders = currentCylinders(track: track)
        words[54] = UInt16(clamping: cylinders)
        words[55] = UInt16(settings.heads)
        words[56] = UInt16(settings.sectors)
        words.put32(57, cylinders &* track)
        words.put32(60, min(state.pointee.sectorCount, 0xFFF_FFFF))
        // 8.15.55
        words.put32(100, state.pointee.sectorCount)
        words.put32(102, state.pointee.sectorCount >> 32)
    }

    /// Word 54. The default translation has the cylinders of word 1, and each has at least one on a
    /// disk that has sectors (ATA/ATAPI-5 6.2.1).
    private func currentCylinders(track: UInt64) -> UInt64 {
        let (settings, geometry) = (settings, disk.geometry)
        if settings.heads == geometry.heads && settings.sectors == geometry.sectors {
            return UInt64(clamping: geometry.cylinders)
        }
        guard track > 0, state.pointee.sectorCount > 0 else { return 0 }
        // More than 16383 cylinders of 16 heads and 63 sectors are not addressed so (ATA/ATAPI-5
        // 6.2.1).
        return min(max(1, min(state.pointee.sectorCount, 16383 * 16 * 63) / track), 65535)
    }

    private func identifyModes(_ words: inout IdentifyPage) {
        let settings = settings
        // 8.15.24
        words[47] = 0x8000 | UInt16(DiskSettings.maximumMultiple)
        // 8.15.28: words 54-58, 64-70 and 88 are valid.
        words[53] = 0x0007
        // 8.15.30
        words[59] = settings.multiple == 0 ? 0 : 0x0100 | UInt16(settings.multiple)
        words.putInterface(mode: settings.transferMode, cable: core.connection.cable)
    }

    private func identifyFeatures(_ words: inout IdentifyPage) {
        let settings = settings
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
            words[105] = UInt16(clamping: ATADrive.maximumTrimBlocks)
            words[169] = 1
        }
    }
}
