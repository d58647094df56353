// What a disc is made of (MMC-5 6.21, 6.22, 6.27) and where the drive is on it.
extension PacketReply {
    /// READ CAPACITY (6.22): the last block, and the size of all.
    mutating func putCapacity(_ disc: Disc) {
        put32(disc.blockCount &- 1)
        put32(UInt32(Disc.blockSize))
    }

    /// Standard disc information (6.21.3.1).
    mutating func putDiscInformation(_ disc: Disc) {
        put16(0)
        // Last session complete, disc finalised.
        put8(0x0E)
        // First track; then sessions, first and last track in the last one: the low bytes.
        put([1, 1, 1, 1])
        // URU: the disc may be used for anything.
        put8(0x20)
        // No identification.
        put8(disc.type)
        putZeroes(3)
        putZeroes(4)
        // Where a next session begins and ends: there is none (6.21.3.1.15).
        put32(disc.isDVD ? 0 : 0xFFFF_FFFF)
        put32(disc.isDVD ? 0 : 0xFFFF_FFFF)
        // No bar code, application code or power calibration.
        putZeroes(8)
        putZeroes(2)
        patch16(at: 0)
    }

    /// Track information (6.27.3): the only track.
    mutating func putTrackInformation(_ disc: Disc) {
        put16(0)
        // Track and session, the low bytes.
        put([1, 1, 0])
        // A data track, recorded uninterrupted (table 356); then the data mode.
        put8(0x04)
        put8(disc.layout == .mode2 ? 0x02 : 0x01)
        put8(0)
        // First block, next writable block, free blocks, packet size.
        put32(0)
        putZeroes(12)
        // Size of the track, last recorded address, the high bytes of the track numbers.
        put32(disc.blockCount)
        put32(disc.blockCount &- 1)
        putZeroes(4)
        patch16(at: 0)
    }

    /// READ SUB-CHANNEL (MMC-3 6.32.2): nothing plays. `format` 1 is where the drive is, 2 the
    /// media catalog number, 3 an ISRC; a data disc has neither. False for another.
    mutating func putSubchannel(
        hasQ: Bool, format: UInt8, track: UInt8, at block: UInt32, isMSF: Bool
    ) -> Bool {
        // MMC-3 table 226: no audio status to return.
        put([0, 0x15])
        put16(0)
        guard hasQ else { return true }
        put8(format)
        switch format {
        case 1:
            // ADR and control of a data track, track, index.
            put([0x14, 1, 1])
            putAddress(block, isMSF: isMSF)
            putDistance(block, isMSF: isMSF)
        case 2: putZeroes(19)
        case 3:
            guard track == 1 else { return false }
            put([0x14, 1])
            putZeroes(17)
        default: return false
        }
        patch16(at: 2)
        return true
    }

    /// How far into the track; as a time without the two seconds before it.
    private mutating func putDistance(_ block: UInt32, isMSF: Bool) {
        guard isMSF else { return put32(block) }
        let distance = DiscAddress(frames: block)
        put([0, distance.minute, distance.second, distance.frame])
    }
}
