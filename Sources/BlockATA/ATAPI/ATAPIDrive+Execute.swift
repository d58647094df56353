// Commands that are no packets (ATA/ATAPI-6 clause 8).
extension ATAPIDrive {
    func interrupts(_ command: UInt8) -> Bool { command == ATAPICommand.deviceReset.rawValue }

    func execute(_ command: UInt8) {
        guard let command = ATAPICommand(rawValue: command) else { return refuse() }
        switch command {
        case .packet: takePacket()
        case .deviceReset: deviceReset()
        case .identifyPacketDevice: sendPage()
        // 8.15.5 and 8.34.5: so that a host that looks for a disk finds this.
        case .identifyDevice, .readSectors, .readSectorsNoRetry: refuseAsDisk()
        case .setFeatures: setFeatures()
        case .checkPowerMode, .checkPowerModeOld:
            registers.pointee.taskFile.count.current =
                state.pointee.settings.isStandby ? 0 : 0xFF
            accept()
        case .standby, .standbyOld, .standbyImmediate, .standbyImmediateOld:
            state.pointee.settings.isStandby = true
            accept()
        case .idle, .idleOld, .idleImmediate, .idleImmediateOld:
            state.pointee.settings.isStandby = false
            accept()
        case .sleep, .sleepOld: accept()
        case .nop: refuse()
        }
    }

    /// PACKET (8.23): no interrupt asks for the packet (IDENTIFY PACKET DEVICE, word 0).
    private func takePacket() {
        let features = registers.pointee.taskFile.features.current
        // Bit 1, OVL: there are no overlapped commands.
        guard features & 0x02 == 0 else { return refuse() }
        state.pointee.job = PacketJob()
        state.pointee.job.kind = .takingPacket
        state.pointee.job.isDMA = features & 0x01 != 0
        let file = registers.pointee.taskFile
        state.pointee.job.limit = UInt16(file.lbaHigh.current) << 8 | UInt16(file.lbaMid.current)
        registers.pointee.taskFile.count.current = InterruptReason.command
        offer(.toDrive, packetBuffer, count: CommandPacket.size)
    }

    private func sendPage() {
        let page = UnsafeMutableRawBufferPointer(start: buffer, count: 512)
        page.initializeMemory(as: UInt8.self, repeating: 0)
        identify(page)
        state.pointee.job = PacketJob()
        state.pointee.job.kind = .sendingPage
        state.pointee.job.length = UInt64(page.count)
        state.pointee.job.position = UInt64(page.count)
        offer(.toHost, buffer, count: page.count)
        channel.raiseInterrupt()
    }

    private func refuseAsDisk() {
        registers.pointee.taskFile.count.current = signature.count
        registers.pointee.taskFile.lbaLow.current = signature.lbaLow
        registers.pointee.taskFile.lbaMid.current = signature.lbaMid
        registers.pointee.taskFile.lbaHigh.current = signature.lbaHigh
        registers.pointee.taskFile.setHead(0)
        refuse()
    }

    /// SET FEATURES (8.46, table 43).
    private func setFeatures() {
        switch registers.pointee.taskFile.features.current {
        case 0x03:
            let mode = registers.pointee.taskFile.count.current
            guard TransferMode.isKnown(mode) else { return refuse() }
            if TransferMode.isDMA(mode) { state.pointee.settings.transferMode = mode }
        case 0x66: state.pointee.settings.revertsOnReset = false
        case 0xCC: state.pointee.settings.revertsOnReset = true
        default: return refuse()
        }
        accept()
    }

    /// Opens the data port for `count` bytes, an even number.
    func offer(
        _ direction: PIOWindow.Direction, _ base: UnsafeMutableRawPointer, count: Int
    ) {
        registers.pointee.status = Status.wantsData
        registers.pointee.window.open(direction, base, count: count)
        channel.router.note(.status(slot, status: Status.wantsData, error: 0))
    }

    /// The host has moved all of the window.
    func windowEnded() {
        switch state.pointee.job.kind {
        case .takingPacket: runPacket()
        case .replying, .reading: offerNext()
        case .selecting: takeNext()
        case .sendingPage, .none: endSilently()
        }
    }
}
