// The packet commands by their codes.
extension PacketExecution {
    /// The guest has written a packet.
    func runPacket() {
        let packet = CommandPacket(packetBuffer)
        state.pointee.packet = packet
        carrier.packetTaken(packet, tag: tag, device: core.connection.device)
        registers.pointee.status = Status.working
        // Sense data lasts until the next command, whatever that is (SCSI-2 8.2.14).
        let sense = state.pointee.sense
        state.pointee.sense = .none
        let command = PacketCommand(rawValue: packet[0])
        if command?.ignoresAttention != true, disc != nil,
            let attention = state.pointee.tray.takeAttention()
        {
            return fail(attention)
        }
        guard let command else { return fail(.invalidOperation) }
        if command.needsMedium {
            guard let disc else { return fail(.mediumNotPresent) }
            settings.isStandby = false
            runOnDisc(command, packet, disc)
        } else {
            run(command, packet, sense)
        }
    }

    private func runOnDisc(_ command: PacketCommand, _ packet: CommandPacket, _ disc: Disc) {
        switch command {
        case .read10:
            read(packet.long(2), count: UInt32(packet.word(7)), disc.layout.userDataFields)
        case .read12: read(packet.long(2), count: packet.long(6), disc.layout.userDataFields)
        case .readCD: readCD(packet, disc, packet.long(2), count: packet.triple(6))
        case .readCDMSF: readCDMSF(packet, disc)
        case .seek10:
            guard disc.contains(UInt64(packet.long(2)), count: 1) else {
                return fail(.blockOutOfRange)
            }
            state.pointee.lastBlock = packet.long(2)
            succeed()
        case .testUnitReady: succeed()
        case .readCapacity:
            reply(limit: .max) { reply in
                reply.putCapacity(disc); return nil
            }
        case .readDiscInformation:
            // 6.21.2.1: the other data types are about rewritable media.
            guard packet[1] & 0x07 == 0 else { return fail(.invalidField) }
            reply(limit: packet.word(7)) { reply in
                reply.putDiscInformation(disc); return nil
            }
        case .readTrackInformation: readTrackInformation(packet, disc)
        case .readTOC: readTOC(packet, disc)
        case .playAudio10: play(disc, packet.long(2), count: UInt32(packet.word(7)))
        case .playAudio12: play(disc, packet.long(2), count: packet.long(6))
        case .playAudioMSF: playMSF(packet, disc)
        case .pauseResume: pause()
        case .stopPlayScan: stopPlaying()
        case .readSubchannel:
            let block = state.pointee.lastBlock
            reply(limit: packet.word(7)) { reply in
                reply.putSubchannel(
                    hasQ: packet[2] & 0x40 != 0, format: packet[3], track: packet[6],
                    at: block, isMSF: packet[1] & 0x02 != 0) ? nil : .invalidField
            }
        case .readDVDStructure:
            guard disc.isDVD, packet[1] & 0x0F == 0 else { return fail(.incompatibleMedium) }
            reply(limit: packet.word(8)) { reply in
                reply.putStructure(disc, format: packet[7], layer: packet[6]) ? nil : .invalidField
            }
        default: fail(.invalidOperation)
        }
    }

    /// `sense` is the sense data of the previous command.
    private func run(_ command: PacketCommand, _ packet: CommandPacket, _ sense: Sense) {
        switch command {
        case .requestSense:
            reply(limit: UInt16(packet[4])) { reply in
                sense.fill(&reply); return nil
            }
        case .inquiry: inquiry(packet)
        case .modeSense6: modeSense(packet, limit: UInt16(packet[4]), isShort: true)
        case .modeSense10: modeSense(packet, limit: packet.word(7), isShort: false)
        case .modeSelect10:
            // SPC-3 6.7.2: bit 0, SP: nothing can be saved.
            guard packet[1] & 0x01 == 0 else { return fail(.invalidField) }
            beginData(.selecting, length: UInt64(packet.word(7)))
        case .startStopUnit: startStop(packet)
        case .preventAllowMediumRemoval:
            state.pointee.tray.isLocked = packet[4] & 0x01 != 0
            succeed()
        case .getConfiguration: getConfiguration(packet)
        case .getEventStatusNotification: getEventStatus(packet)
        case .mechanismStatus:
            let (isOpen, block) = (state.pointee.tray.isOpen, state.pointee.lastBlock)
            reply(limit: packet.word(8)) { reply in
                reply.putMechanismStatus(isTrayOpen: isOpen, at: block)
                return nil
            }
        // 6.38: all speeds are the same.
        case .setCDSpeed: succeed()
        default: fail(.invalidOperation)
        }
    }

    /// Makes an answer with `body`, truncates it to the allocation length and sends it. If `body`
    /// returns a sense, the command fails with it.
    private func reply(limit: UInt16, _ body: (inout PacketReply) -> Sense?) {
        var reply = PacketReply(in: buffer)
        if let sense = body(&reply) { return fail(sense) }
        reply.truncate(Int(limit))
        beginData(.replying, length: UInt64(reply.count))
    }

    private func inquiry(_ packet: CommandPacket) {
        // SPC-3 6.4.1: bit 0, EVPD; without it there is no page.
        let hasPage = packet[1] & 0x01 != 0
        guard hasPage || packet[2] == 0 else { return fail(.invalidField) }
        reply(limit: UInt16(packet[4])) { reply in
            if hasPage {
                return reply.putVitalProductData(packet[2], cdrom.options) ? nil : .invalidField
            }
            reply.putInquiry(cdrom.options)
            return nil
        }
    }

    private func modeSense(_ packet: CommandPacket, limit: UInt16, isShort: Bool) {
        guard let control = PacketReply.PageControl(rawValue: packet[2] >> 6) else {
            return fail(.savingNotSupported)
        }
        let (tray, settings) = (state.pointee.tray, settings.mode)
        let hasMedium = state.pointee.medium != nil
        reply(limit: limit) { reply in
            reply.putModePages(
                packet[2] & 0x3F, control, settings, isLocked: tray.isLocked,
                hasMedium: hasMedium, isTrayOpen: tray.isOpen, isShort: isShort)
                ? nil : .invalidField
        }
    }

    private func getConfiguration(_ packet: CommandPacket) {
        // 6.6.2.1: RT 11b is reserved.
        guard let requested = PacketReply.Requested(rawValue: packet[1] & 0x03) else {
            return fail(.invalidField)
        }
        reply(limit: packet.word(7)) { reply in
            reply.putConfiguration(
                disc, requested: requested, first: packet.word(2), serial: cdrom.options.serial)
            return nil
        }
    }

    private func getEventStatus(_ packet: CommandPacket) {
        // 6.7.2.1: only polling; nothing is told later.
        guard packet[1] & 0x01 != 0 else { return fail(.invalidField) }
        // An event that does not fit into the answer is not lost.
        let isTold = packet[4] & 0x10 != 0 && packet.word(7) > 4
        let event = isTold ? state.pointee.tray.takeEvent() : .none
        let isOpen = state.pointee.tray.isOpen
        reply(limit: packet.word(7)) { reply in
            reply.putEventStatus(
                requested: packet[4], event, isTrayOpen: isOpen, hasMedium: disc != nil)
            return nil
        }
    }

    private func readTOC(_ packet: CommandPacket, _ disc: Disc) {
        let isMSF = packet[1] & 0x02 != 0
        // The format is in byte 2 (6.26.2.3), or for older hosts in byte 9 (SFF-8020i 10.8.18).
        let format = packet[2] & 0x0F != 0 ? packet[2] & 0x0F : packet[9] >> 6
        reply(limit: packet.word(7)) { reply in
            switch format {
            case 0:
                return reply.putTOC(disc, start: packet[6], isMSF: isMSF) ? nil : .invalidField
            case 1: reply.putSessions(isMSF: isMSF)
            case 2: reply.putRawTOC(disc, isMSF: isMSF)
            default: return .invalidField
            }
            return nil
        }
    }

    /// The track is named by a block in it, its number, or that of its session (6.27.2.1).
    private func readTrackInformation(_ packet: CommandPacket, _ disc: Disc) {
        let place = packet.long(2)
        let isFound =
            switch packet[1] & 0x03 {
            case 0: place < disc.blockCount
            case 1, 2: place == 1
            default: false
            }
        guard isFound else { return fail(.invalidField) }
        reply(limit: packet.word(7)) { reply in
            reply.putTrackInformation(disc); return nil
        }
    }
}
