// The audio commands (SCSI-2 14.2.1 to 14.2.4, SFF-8020i 10.8) on discs that have no audio: the answers
// of a drive that plays audio, for a data track. Page 2A claims audio play, as real drives and QEMU do,
// because there are guests that mount only the discs of drives that claim it.
extension PacketExecution {
    /// PLAY AUDIO: hosts ask for no blocks to find out whether a drive plays, and that is no error.
    func play(_ disc: Disc, _ block: UInt32, count: UInt32) {
        guard count > 0 else { return succeed() }
        // FFFFFFFFh is where the drive is, which is a data track too.
        guard block == .max || disc.contains(UInt64(block), count: 1) else {
            return fail(.blockOutOfRange)
        }
        fail(.illegalMode)
    }

    /// PLAY AUDIO MSF, from one address to the one before another.
    func playMSF(_ packet: CommandPacket, _ disc: Disc) {
        let first = DiscAddress(minute: packet[3], second: packet[4], frame: packet[5])
        let last = DiscAddress(minute: packet[6], second: packet[7], frame: packet[8])
        // FF:FF:FF is where the drive is.
        let isHere = first == DiscAddress(minute: 0xFF, second: 0xFF, frame: 0xFF)
        guard isHere || first.isValid, last.isValid, isHere || first.block <= last.block else {
            return fail(.invalidField)
        }
        if isHere { return fail(.illegalMode) }
        if first == last { return succeed() }
        guard let block = UInt32(exactly: first.block) else { return fail(.blockOutOfRange) }
        play(disc, block, count: UInt32(last.block - first.block))
    }

    /// PAUSE/RESUME: there is never anything to pause.
    func pause() { fail(.commandSequence) }

    /// STOP PLAY/SCAN: to stop what does not play is no error.
    func stopPlaying() { succeed() }
}
