// Commands that are not packet commands (ATA/ATAPI-6 clause 8).
extension PacketExecution {
    func execute(_ command: UInt8) {
        state.pointee.tag = tag
        guard let command = ATAPICommand(rawValue: command) else { return executeShared(command) }
        switch command {
        case .packet: takePacket()
        case .deviceReset: deviceReset()
        case .identifyPacketDevice: sendPage()
        // 8.15.5 and 8.34.5: a guest that looks for a disk learns that this is a packet device.
        case .identifyDevice, .readSectors, .readSectorsNoRetry: refuseAsDisk()
        case .setFeatures: setSharedFeature()
        case .nop: abort()
        }
    }

    /// PACKET (8.23): no interrupt asks for the packet (IDENTIFY PACKET DEVICE, word 0).
    private func takePacket() {
        let features = registers.pointee.taskFile.features.current
        // Bit 1, OVL: there are no overlapped commands.
        guard features & 0x02 == 0 else { return abort() }
        job = PacketJob()
        job.kind = .takingPacket
        job.isDMA = features & 0x01 != 0
        let file = registers.pointee.taskFile
        job.limit = UInt16(file.lbaHigh.current) << 8 | UInt16(file.lbaMid.current)
        registers.pointee.taskFile.count.current = InterruptReason.command
        open(.toDrive, packetBuffer, count: CommandPacket.size, interrupt: false)
    }

    private func sendPage() {
        identify(SectorPage(in: buffer))
        job = PacketJob()
        job.kind = .sendingPage
        job.length = UInt64(SectorPage.size)
        job.position = UInt64(SectorPage.size)
        open(.toHost, buffer, count: SectorPage.size, interrupt: true)
    }

    private func refuseAsDisk() {
        let signature = Signature.packet
        registers.pointee.taskFile.count.current = signature.count
        registers.pointee.taskFile.lbaLow.current = signature.lbaLow
        registers.pointee.taskFile.lbaMid.current = signature.lbaMid
        registers.pointee.taskFile.lbaHigh.current = signature.lbaHigh
        registers.pointee.taskFile.setHead(0)
        abort()
    }

    /// The guest has moved all of the window.
    func windowClosed() {
        switch job.kind {
        case .takingPacket: runPacket()
        case .replying, .reading: offerNext()
        case .selecting: takeNext()
        case .sendingPage, .none: succeed(interrupt: false)
        }
    }
}
