import IDE

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
        if oneIn(2) { read(base + 7) }
    }

    /// The same by DMA.
    func packetTransfer() {
        let (base, device) = drive(cdrom: true)
        let packet = oneIn(2) ? read(blocks: 1 + number(8)) : cdb()
        write(bus(base), 0)
        write(bus(base) + 2, 6)
        makeTable(base, bytes: oneIn(3) ? nil : one([2048 * (1 + number(8)), 2352, 18, 96]))
        stumble(base)
        let startsFirst = oneIn(4)
        if startsFirst { write(bus(base), 9) }
        give(base, device, packet, isDMA: true)
        stumble(base)
        if !startsFirst { write(bus(base), 9) }
        finish(base)
    }

    private func give(_ base: UInt16, _ device: UInt32, _ packet: [UInt8], isDMA: Bool) {
        write(base + 6, device)
        write(base + 1, oneIn(24) ? value() : isDMA ? 1 : 0)
        let limit = one([0xFFFE, 0xFFFF, 2048, 0, UInt32(number(4096)), 1])
        write(base + 4, limit)
        write(base + 5, limit >> 8)
        write(base + 7, 0xA0)
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
        case 0: [0xA8, 0, 0, 0, 0, block, 0, 0, 0, count, 0, 0]
        case 1: [0xBE, 0, 0, 0, 0, block, 0, 0, count, one([0x10, 0xF8, 0xF0, 0x78]), 0, 0]
        default: [0x28, 0, 0, 0, 0, block, 0, 0, count, 0, 0, 0]
        }
    }

    /// Any command, its fields small or not.
    private func cdb() -> [UInt8] {
        if oneIn(10) { return (0..<12).map { _ in UInt8(number(256)) } }
        if oneIn(4) { return read(blocks: number(4)) }
        let opcodes: [UInt8] = [
            0x00, 0x03, 0x12, 0x1A, 0x1B, 0x1E, 0x25, 0x28, 0x2B, 0x42, 0x43, 0x45, 0x46, 0x47,
            0x4A, 0x4B, 0x4E, 0x51, 0x52, 0x55, 0x5A, 0xA5, 0xA8, 0xAD, 0xB9, 0xBB, 0xBD, 0xBE,
        ]
        var packet = [UInt8](repeating: 0, count: 12)
        packet[0] = one(opcodes)
        switch packet[0] {
        case 0x12: packet[1...2] = oneIn(2) ? [1, one([0, 0x80, 0x83, 1])] : [0, 0]
        case 0x1A, 0x5A: packet[2] = one([0x01, 0x0E, 0x2A, 0x3F, 0x6A, 0xBF, 0xEA])
        case 0x1B: packet[4] = UInt8(number(4))
        case 0x1E: packet[4] = UInt8(number(2))
        case 0x42: packet[1...3] = [2, 0x40, UInt8(number(4))]
        case 0x43: packet[1...2] = [UInt8(number(2) * 2), UInt8(number(4))]
        case 0x4A: packet[1...4] = [1, 0, 0, 0x10]
        case 0x55: packet[1] = 0x10
        case 0x47, 0xB9: packet[3...8] = [0, 2, UInt8(number(75)), 0, 2, UInt8(number(75))]
        case 0xBE: packet[9] = UInt8(number(256))
        default: break
        }
        let length = one([0, 1, 8, 18, 36, 255, 4, UInt16(number(1024)), 0xFFFF])
        switch packet[0] {
        case 0x03, 0x12, 0x1A: packet[4] = UInt8(truncatingIfNeeded: length)
        case 0x42, 0x43, 0x46, 0x4A, 0x51, 0x52, 0x55, 0x5A:
            packet[7] = UInt8(length >> 8)
            packet[8] = UInt8(truncatingIfNeeded: length)
        case 0xAD, 0xBD:
            packet[8] = UInt8(length >> 8)
            packet[9] = UInt8(truncatingIfNeeded: length)
        default: break
        }
        if oneIn(4) { packet[1 + number(11)] = UInt8(number(256)) }
        return packet
    }
}
