// READ TOC/PMA/ATIP (MMC-5 6.26) of a disc with one data track.
extension PacketReply {
    /// ADR 1, a position; control 4, a data track (MMC-5 tables 463 and 356).
    private static let dataTrack: UInt8 = 0x14
    /// The track number of the lead-out (6.26.2.4).
    private static let leadOut: UInt8 = 0xAA

    /// Formatted TOC (6.26.3.2): the tracks from `start` on; false when there are none.
    mutating func putTOC(_ disc: Disc, start: UInt8, isMSF: Bool) -> Bool {
        guard start <= 1 || start == Self.leadOut else { return false }
        put16(0)
        // First and last track.
        put([1, 1])
        if start <= 1 { putTrack(1, at: 0, isMSF: isMSF) }
        putTrack(Self.leadOut, at: disc.blockCount, isMSF: isMSF)
        patch16(at: 0)
        return true
    }

    private mutating func putTrack(_ number: UInt8, at block: UInt32, isMSF: Bool) {
        put([0, Self.dataTrack, number, 0])
        putAddress(block, isMSF: isMSF)
    }

    /// Multi-session information (6.26.3.3): where the last session's first track is.
    mutating func putSessions(isMSF: Bool) {
        put16(0)
        // First and last session.
        put([1, 1])
        putTrack(1, at: 0, isMSF: isMSF)
        patch16(at: 0)
    }

    /// Raw TOC (6.26.3.4): the sub-channel Q entries of the lead-in of session 1, with the
    /// addresses behind each.
    mutating func putRawTOC(_ disc: Disc, isMSF: Bool) {
        put16(0)
        // First and last session.
        put([1, 1])
        // First track, and disc type; last track; lead-out.
        putPoint(0xA0, [0, 1, disc.type, 0])
        putPoint(0xA1, [0, 1, 0, 0])
        putPoint(0xA2, at: disc.blockCount, isMSF: isMSF)
        putPoint(1, at: 0, isMSF: isMSF)
        patch16(at: 0)
    }

    /// Session, ADR and control, track 0 (the lead-in), point, minutes, seconds, frames: of the
    /// entry itself, 0; then what the point says.
    private mutating func putPoint(_ point: UInt8, _ content: [UInt8]) {
        put([1, Self.dataTrack, 0, point, 0, 0, 0])
        put(content)
    }

    private mutating func putPoint(_ point: UInt8, at block: UInt32, isMSF: Bool) {
        putPoint(point, [])
        putAddress(block, isMSF: isMSF)
    }

    /// An address field of four bytes (6.26.2.5); minutes, seconds and frames are binary.
    mutating func putAddress(_ block: UInt32, isMSF: Bool) {
        guard isMSF else { return put32(block) }
        let address = DiscAddress(block: block)
        put([0, address.minute, address.second, address.frame])
    }
}
