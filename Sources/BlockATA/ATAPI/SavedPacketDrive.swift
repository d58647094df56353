package import BlockState

/// What is saved of a CD/DVD-ROM drive: the size of its disc, its settings, and the command that it is at
/// work on.
package struct SavedPacketDrive {
    /// Compared with the disc in the drive that the state is loaded into; 0 if there is none.
    var blockCount: UInt32 = 0
    var settings = ATAPISettings()
    var tray = Tray()
    var sense = Sense.none
    var lastBlock: UInt32 = 0
    var job = PacketJob()
    var packet = CommandPacket()
    /// What the guest has written of the next packet.
    var packetBuffer = [UInt8](repeating: 0, count: CommandPacket.size)
    var window = SavedWindow()
    /// The beginning of the buffer, as far as the command still needs it.
    var data: [UInt8] = []
}

extension SavedPacketDrive: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&blockCount, "blockCount")
        try codec.structure(&settings, "settings")
        try codec.structure(&tray, "tray")
        try codec.structure(&sense, "sense")
        try codec.number(&lastBlock, "lastBlock")
        try codec.check(
            "lastBlock", "less than `blockCount`, or 0", lastBlock < max(blockCount, 1))
        try codec.structure(&job, "job")
        try codec.structure(&packet, "packet")
        try codec.bytes(&packetBuffer, "packetBuffer", count: CommandPacket.size)
        try codec.structure(&window, "window")
        try codec.data(&data, "data", atMost: ATAPIDrive.bufferSize)
        try codec.check(
            "data", "what `job` has in the buffer", data.count == job.bytesInBuffer)
    }
}
