import IDE
@testable import TestSupport

// Packets.
extension FuzzGuest {
    /// PACKET and twelve bytes, for data by PIO.
    func packet() {
        let (base, device) = drive(cdrom: true)
        give(base, device, cdb(), isDMA: false)
        for _ in 0..<number(4) {
            stumble(base)
            if oneIn(3) { step { $0.poll(timeout: .microseconds(200)) } }
            moveData(base)
        }
        if oneIn(2) { read(base + CommandBlock.status) }
    }

    /// The same by DMA.
    func packetTransfer() {
        let (base, device) = drive(cdrom: true)
        let packet = oneIn(2) ? read(blocks: 1 + number(8)) : cdb()
        write(bus(base), BusMasterCommand.stop)
        write(bus(base) + BusMasterRegister.status, BusMasterStatus.interruptAndError)
        makeTable(base, bytes: oneIn(3) ? nil : one([2048 * (1 + number(8)), 2352, 18, 96]))
        stumble(base)
        let startsFirst = oneIn(4)
        if startsFirst { write(bus(base), BusMasterCommand.startWritingMemory) }
        give(base, device, packet, isDMA: true)
        stumble(base)
        if !startsFirst { write(bus(base), BusMasterCommand.startWritingMemory) }
        finish(base)
    }

    private func give(_ base: UInt16, _ device: UInt8, _ packet: [UInt8], isDMA: Bool) {
        write(base + CommandBlock.device, device)
        write(
            base + CommandBlock.features,
            oneIn(24) ? value() : isDMA ? UInt32(PacketFeature.dma) : 0)
        let limit = one([0xFFFE, 0xFFFF, 2048, 0, UInt32(number(4096)), 1])
        write(base + CommandBlock.lbaMid, limit)
        write(base + CommandBlock.lbaHigh, limit >> 8)
        write(base + CommandBlock.command, Opcode.packet)
        stumble(base)
        remember("packet \(packet.map { hex($0) })")
        packet.withUnsafeBytes { bytes in
            step { $0.transferBlock(to: base, width: 2, from: bytes) }
        }
    }

    /// READ of so many blocks that may well be on the disc.
    private func read(blocks: Int) -> [UInt8] {
        let block = UInt8(number(120))
        let count = UInt8(blocks)
        return switch number(4) {
        case 0: [PacketOpcode.read12, 0, 0, 0, 0, block, 0, 0, 0, count, 0, 0]
        case 1:
            [
                PacketOpcode.readCD, 0, 0, 0, 0, block, 0, 0, count,
                one([
                    ReadCDFields.userData, ReadCDFields.all, ReadCDFields.allButErrorCorrection,
                    ReadCDFields.allButSynchronisation,
                ]), 0, 0,
            ]
        default: [PacketOpcode.read10, 0, 0, 0, 0, block, 0, 0, count, 0, 0, 0]
        }
    }

    /// Any command, its fields small or not.
    private func cdb() -> [UInt8] {
        if oneIn(10) { return (0..<12).map { _ in UInt8(number(256)) } }
        if oneIn(4) { return read(blocks: number(4)) }
        let opcodes: [UInt8] = [
            PacketOpcode.testUnitReady, PacketOpcode.requestSense, PacketOpcode.inquiry,
            PacketOpcode.modeSense6, PacketOpcode.startStopUnit,
            PacketOpcode.preventAllowMediumRemoval, PacketOpcode.readCapacity, PacketOpcode.read10,
            PacketOpcode.seek10, PacketOpcode.readSubchannel, PacketOpcode.readTOC,
            PacketOpcode.playAudio10, PacketOpcode.getConfiguration, PacketOpcode.playAudioMSF,
            PacketOpcode.getEventStatusNotification, PacketOpcode.pauseResume,
            PacketOpcode.stopPlayScan, PacketOpcode.readDiscInformation,
            PacketOpcode.readTrackInformation, PacketOpcode.modeSelect10, PacketOpcode.modeSense10,
            PacketOpcode.playAudio12, PacketOpcode.read12, PacketOpcode.readDVDStructure,
            PacketOpcode.readCDMSF, PacketOpcode.setCDSpeed, PacketOpcode.mechanismStatus,
            PacketOpcode.readCD,
        ]
        var packet = [UInt8](repeating: 0, count: 12)
        packet[0] = one(opcodes)
        switch packet[0] {
        case PacketOpcode.inquiry:
            let pages = [
                VitalProductPage.supportedPages, VitalProductPage.serialNumber,
                VitalProductPage.identification, VitalProductPage.unsupported,
            ]
            packet[1...2] = oneIn(2) ? [PacketBits.vitalProductData, one(pages)] : [0, 0]
        case PacketOpcode.modeSense6, PacketOpcode.modeSense10:
            packet[2] = one([
                ModePage.errorRecovery, ModePage.audioControl, ModePage.capabilities, ModePage.all,
                ModePage.changeableValues | ModePage.capabilities,
                ModePage.defaultValues | ModePage.all,
                ModePage.savedValues | ModePage.capabilities,
            ])
        // START and LOEJ.
        case PacketOpcode.startStopUnit: packet[4] = UInt8(number(4))
        case PacketOpcode.preventAllowMediumRemoval: packet[4] = UInt8(number(2))
        case PacketOpcode.readSubchannel:
            packet[1...3] = [
                PacketBits.minutesSecondsFrames, PacketBits.subchannelData, UInt8(number(4)),
            ]
        case PacketOpcode.readTOC:
            packet[1...2] = [UInt8(number(2)) * PacketBits.minutesSecondsFrames, UInt8(number(4))]
        case PacketOpcode.getEventStatusNotification:
            packet[1...4] = [PacketBits.polled, 0, 0, EventClass.media]
        case PacketOpcode.modeSelect10: packet[1] = PacketBits.pageFormat
        case PacketOpcode.playAudioMSF, PacketOpcode.readCDMSF:
            // From and to: minute, second, frame.
            packet[3...8] = [0, 2, UInt8(number(75)), 0, 2, UInt8(number(75))]
        case PacketOpcode.readCD: packet[9] = UInt8(number(256))
        default: break
        }
        // The bytes that the guest takes, or gives.
        let length = one([0, 1, 8, 18, 36, 255, 4, UInt16(number(1024)), 0xFFFF])
        switch packet[0] {
        case PacketOpcode.requestSense, PacketOpcode.inquiry, PacketOpcode.modeSense6:
            packet[4] = UInt8(truncatingIfNeeded: length)
        case PacketOpcode.readSubchannel, PacketOpcode.readTOC, PacketOpcode.getConfiguration,
            PacketOpcode.getEventStatusNotification, PacketOpcode.readDiscInformation,
            PacketOpcode.readTrackInformation, PacketOpcode.modeSelect10, PacketOpcode.modeSense10:
            packet[7] = UInt8(length >> 8)
            packet[8] = UInt8(truncatingIfNeeded: length)
        case PacketOpcode.readDVDStructure, PacketOpcode.mechanismStatus:
            packet[8] = UInt8(length >> 8)
            packet[9] = UInt8(truncatingIfNeeded: length)
        default: break
        }
        if oneIn(4) { packet[1 + number(11)] = UInt8(number(256)) }
        return packet
    }
}
