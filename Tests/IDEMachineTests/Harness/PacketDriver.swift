@testable import TestSupport

/// A guest's driver of a packet device, by PIO (ATA/ATAPI-6 9.8).
struct PacketDriver {
    private let driver: IDEDriver
    private let place: IDEDriver.Place

    init(_ driver: IDEDriver, _ place: IDEDriver.Place) {
        self.driver = driver
        self.place = place
    }

    /// Gives a packet, padded to 12 bytes; the status when the drive is busy no more.
    private func give(_ packet: [UInt8]) throws -> UInt8 {
        let qtest = driver.qtest
        try qtest.outb(place.base + CommandBlock.device, place.device)
        try qtest.outb(place.base + CommandBlock.features, 0)
        // The most bytes of one burst, in both bytes.
        try qtest.outb(place.base + CommandBlock.lbaMid, 0xfe)
        try qtest.outb(place.base + CommandBlock.lbaHigh, 0xff)
        try qtest.outb(place.base + CommandBlock.command, Opcode.packet)
        guard try driver.wait(place) == DriveStatus.wantsData else {
            throw FixtureError.failed("the packet is not wanted")
        }
        let bytes = packet + [UInt8](repeating: 0, count: 12 - packet.count)
        for index in stride(from: 0, to: 12, by: 2) {
            try qtest.outw(place.base, UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8)
        }
        try driver.wait(place, interrupt: true)
        return try qtest.inb(place.base + CommandBlock.status)
    }

    /// A packet without data; false when it failed.
    @discardableResult
    func command(_ packet: [UInt8]) throws -> Bool { try give(packet) & DriveStatus.errorBit == 0 }

    /// A packet that brings `count` bytes, an even number, in one burst.
    func read(_ packet: [UInt8], _ count: Int) throws -> [UInt8] {
        let status = try give(packet)
        guard status == DriveStatus.wantsData else {
            throw FixtureError.failed("status 0x\(hex(status))")
        }
        var bytes: [UInt8] = []
        for _ in 0..<count / 2 {
            let word = try driver.qtest.inw(place.base)
            bytes += [UInt8(truncatingIfNeeded: word), UInt8(word >> 8)]
        }
        try driver.wait(place, interrupt: true)
        let end = try driver.qtest.inb(place.base + CommandBlock.status)
        guard end == DriveStatus.idle else { throw FixtureError.failed("status 0x\(hex(end))") }
        return bytes
    }

    /// Sense key and code of REQUEST SENSE (MMC-5 6.37) after a packet without data; zeroes when
    /// that succeeded.
    func sense(after packet: [UInt8]) throws -> [UInt8] {
        if try command(packet) { return [0, 0] }
        let sense = try read([PacketOpcode.requestSense, 0, 0, 0, 18], 18)
        return [sense[2] & 0x0f, sense[12]]
    }
}
