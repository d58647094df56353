// The tray and what lies in it, from both sides.
extension PacketExecution {
    /// START STOP UNIT (MMC-5 6.42). The guest moves the tray and leaves the medium in it. It is told of
    /// that as of a medium that somebody has taken out and put in again.
    func startStop(_ packet: CommandPacket) {
        let (isStart, isLoadEject) = (packet[4] & 0x01 != 0, packet[4] & 0x02 != 0)
        // Power conditions, bits 7:4, have no effect here, and the other bits none with them.
        guard packet[4] & 0xF0 == 0, isLoadEject else { return succeed() }
        if !isStart && state.pointee.tray.isLocked && !state.pointee.tray.isOpen {
            return fail(.removalPrevented)
        }
        if isStart == state.pointee.tray.isOpen {
            state.pointee.tray.move(isOpen: !isStart, hasMedium: state.pointee.medium != nil)
        }
        succeed()
    }
}
