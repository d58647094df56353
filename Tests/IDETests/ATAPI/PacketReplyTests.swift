import BlockATA
import IDE
import XCTest

/// docs/ide-rules.md, "ATAPI": what the commands that describe drive and disc answer. The disc has
/// 512 blocks.
final class PacketReplyTests: CDTestCase {
    private let engines = MachineConfiguration.engines

    private func expect(
        _ m: Machine, _ packet: [UInt8], _ expected: [UInt8], line: UInt = #line
    ) {
        XCTAssertEqual(m.dataIn(packet, line: line), expected, line: line)
    }

    private func expectFailure(
        _ m: Machine, _ packet: [UInt8], _ code: UInt16, line: UInt = #line
    ) {
        m.packet(packet, line: line)
        m.expectFailure(5, code, line: line)
    }

    private func text(_ text: String, _ count: Int) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 0x20, count: count - text.utf8.count)
    }

    func testInquiry() throws {
        let options = CDROMOptions(
            vendor: "VEND", product: "A PRODUCT", revision: "3.4", serial: "SER 12")
        try forEachCD(options, over: engines) { m in
            expect(
                m, [0x12, 0, 0, 0, 255],
                [5, 0x80, 0, 0x21, 31, 0, 0, 0] + text("VEND", 8) + text("A PRODUCT", 16)
                    + text("3.4", 4))
            expect(m, [0x12, 0, 0, 0, 4], [5, 0x80, 0, 0x21])
            expect(m, [0x12, 1, 0x00, 0, 255], [5, 0, 0, 3, 0x00, 0x80, 0x83])
            expect(m, [0x12, 1, 0x80, 0, 255], [5, 0x80, 0, 20] + text("SER 12", 20))
            let one = [2, 0, 0, 20] + text("SER 12", 20)
            let two = [2, 1, 0, 68] + text("VEND", 8) + text("A PRODUCT", 40) + text("SER 12", 20)
            expect(m, [0x12, 1, 0x83, 0, 255], [5, 0x83, 0, 96] + one + two)
            expectFailure(m, [0x12, 1, 0x81, 0, 255], 0x2400)
            expectFailure(m, [0x12, 0, 0x80, 0, 255], 0x2400)
        }
    }

    private let recovery: [UInt8] = [0x01, 6, 0, 5, 0, 0, 0, 0]
    private let audio: [UInt8] = [0x0E, 14, 4, 0, 0, 0, 0, 0, 1, 0xFF, 2, 0xFF, 0, 0, 0, 0]
    /// Speeds of 704 kB/s, two volume levels, a buffer of 512 KiB.
    private let capabilities: [UInt8] = [
        0x2A, 18, 0x3B, 0, 0x71, 0x60, 0x29, 0, 2, 0xC0, 0, 2, 2, 0, 2, 0xC0, 0, 0, 0, 0,
    ]

    func testModeSense() throws {
        try forEachCD(over: engines) { m in
            for (number, page) in [(0x01, recovery), (0x0E, audio), (0x2A, capabilities)] {
                let length = UInt8(page.count)
                let number = UInt8(number)
                expect(
                    m, [0x5A, 0, number, 0, 0, 0, 0, 0, 255],
                    [0, length + 6, 0x01, 0, 0, 0, 0, 0] + page)
                expect(m, [0x1A, 0, number, 0, 255], [length + 3, 0x01, 0, 0] + page)
                // Default values.
                expect(m, [0x1A, 0, 0x80 | number, 0, 255], [length + 3, 0x01, 0, 0] + page)
                // Saved values there are none.
                expectFailure(m, [0x5A, 0, 0xC0 | number, 0, 0, 0, 0, 0, 255], 0x3900)
            }
            let all = recovery + audio + capabilities
            expect(
                m, [0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 255],
                [0, UInt8(all.count + 6), 0x01, 0, 0, 0, 0, 0] + all)
            expect(m, [0x1A, 0, 0x3F, 0, 255], [UInt8(all.count + 3), 0x01, 0, 0] + all)
            // What can be changed.
            expect(
                m, [0x1A, 0, 0x41, 0, 255], [11, 0x01, 0, 0, 0x01, 6, 0xFF, 0xFF, 0, 0, 0, 0])
            expect(m, [0x1A, 0, 0x41, 0, 6], [11, 0x01, 0, 0, 0x01, 6])
            expectFailure(m, [0x1A, 0, 0x05, 0, 255], 0x2400)
        }
    }

    private func select(_ m: Machine, _ list: [UInt8], limit: UInt16 = 0xFFFE) {
        m.packet([0x55, 0x10, 0, 0, 0, 0, 0, 0, UInt8(list.count)], limit: limit)
        var rest = list[...]
        while m.alternateStatus == 0x58, !rest.isEmpty {
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.reason, 0, "data out")
            _ = m.status
            m.writeData(Array(rest.prefix(m.byteCount)))
            rest = rest.dropFirst(m.byteCount)
            m.settle()
        }
    }

    func testModeSelect() throws {
        try forEachCD(over: engines) { m in
            let header = [UInt8](repeating: 0, count: 8)
            let changed: [UInt8] = [0x0E, 14, 4, 0, 0, 0, 0, 0, 2, 0x80, 1, 0x40, 0, 0, 0, 0]
            for limit in [0xFFFE, 6] as [UInt16] {
                select(m, header + [0x01, 6, 0x20, 9, 0, 0, 0, 0] + changed, limit: limit)
                m.expectSuccess()
                expect(m, [0x1A, 0, 0x01, 0, 255], [11, 1, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0])
                expect(m, [0x1A, 0, 0x0E, 0, 255], [19, 1, 0, 0] + changed)
                // The default stays what it is, and so back.
                expect(m, [0x1A, 0, 0x8E, 0, 255], [19, 1, 0, 0] + audio)
                select(m, header + recovery + audio)
                m.expectSuccess()
            }
            // A page that there is not, one of the wrong length, and a list that ends in a page:
            // the good one before it is not taken over either.
            for (list, code) in [
                ([0x2A, 18] + [UInt8](repeating: 0, count: 18), 0x2600),
                ([0x01, 4, 1, 1, 1, 1], 0x2600), ([0x01, 6, 1, 1], 0x1A00),
            ] as [([UInt8], UInt16)] {
                select(m, header + changed + list)
                m.expectFailure(5, code)
                expect(m, [0x1A, 0, 0x0E, 0, 255], [19, 1, 0, 0] + audio)
            }
            // Nothing can be saved.
            expectFailure(m, [0x55, 0x11, 0, 0, 0, 0, 0, 0, 16], 0x2400)
            m.packet([0x55, 0x10])
            m.expectSuccess()
        }
    }

    func testReadCapacity() throws {
        try forEachCD(over: engines) { m in
            expect(m, [0x25], [0, 0, 1, 0xFF, 0, 0, 8, 0])
        }
    }

    func testReadTOC() throws {
        try forEachCD(over: engines) { m in
            let track: [UInt8] = [0, 0x14, 1, 0, 0, 0, 0, 0]
            let leadOut: [UInt8] = [0, 0x14, 0xAA, 0, 0, 0, 2, 0]
            expect(m, [0x43, 0, 0, 0, 0, 0, 0, 0, 255], [0, 18, 1, 1] + track + leadOut)
            expect(m, [0x43, 0, 0, 0, 0, 0, 1, 0, 255], [0, 18, 1, 1] + track + leadOut)
            expect(m, [0x43, 0, 0, 0, 0, 0, 0xAA, 0, 255], [0, 10, 1, 1] + leadOut)
            expect(m, [0x43, 0, 0, 0, 0, 0, 0, 0, 12], [0, 18, 1, 1] + track)
            expectFailure(m, [0x43, 0, 0, 0, 0, 0, 2, 0, 255], 0x2400)
            // Minutes, seconds, frames: 150 before block 0, and 662.
            expect(
                m, [0x43, 2, 0, 0, 0, 0, 0, 0, 255],
                [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xAA, 0, 0, 0, 8, 62])
            let raw: [UInt8] =
                [0, 46, 1, 1] + [1, 0x14, 0, 0xA0, 0, 0, 0, 0, 1, 0, 0]
                + [1, 0x14, 0, 0xA1, 0, 0, 0, 0, 1, 0, 0]
                + [1, 0x14, 0, 0xA2, 0, 0, 0, 0, 0, 8, 62] + [1, 0x14, 0, 1, 0, 0, 0, 0, 0, 2, 0]
            // The format is in byte 2, or in the upper bits of byte 9.
            for format in [1, 2, 3] as [UInt8] {
                for packet in [
                    [0x43, 2, format, 0, 0, 0, 0, 0, 255],
                    [0x43, 2, 0, 0, 0, 0, 0, 0, 255, format << 6],
                ] {
                    switch format {
                    case 1: expect(m, packet, [0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0])
                    case 2: expect(m, packet, raw)
                    default: expectFailure(m, packet, 0x2400)
                    }
                }
            }
        }
    }

    /// Minutes are a byte, and nothing in the answers ends at 99.
    func testAddressesOfLargeDiscs() throws {
        for (mebibytes, leadOut, last) in [
            (1200, [136, 34, 0], [136, 33, 74]), (2249, [255, 55, 13], [255, 55, 12]),
            (2250, [255, 59, 74], [255, 59, 74]), (5120, [255, 59, 74], [255, 59, 74]),
        ] as [(Int, [UInt8], [UInt8])] {
            let image = try TemporaryImage(size: mebibytes << 20)
            let blocks = UInt32(mebibytes << 9)
            let m = try Machine()
            try m.attachCD(image.path)
            expect(
                m, [0x43, 2, 0, 0, 0, 0, 0xAA, 0, 255],
                [0, 10, 1, 1, 0, 0x14, 0xAA, 0, 0] + leadOut)
            XCTAssertEqual(
                Array(m.dataIn([0x43, 2, 2, 0, 0, 0, 0, 0, 255])[33..<37]), [0] + leadOut)
            expect(
                m, [0x43, 0, 0, 0, 0, 0, 0xAA, 0, 255],
                [0, 10, 1, 1, 0, 0x14, 0xAA, 0] + Machine.bytes(blocks))
            _ = m.dataIn(Machine.read10(blocks - 1, count: 1))
            let position = m.dataIn([0x42, 2, 0x40, 1, 0, 0, 0, 0, 255])
            XCTAssertEqual(Array(position[8..<12]), [0] + last)
            // How far into the track: two seconds less.
            let distance = blocks - 1 < 256 * 4500 ? blocks - 1 : 256 * 4500 - 1
            XCTAssertEqual(
                Array(position[12...]),
                [0, UInt8(distance / 4500), UInt8(distance / 75 % 60), UInt8(distance % 75)])
            XCTAssertEqual(
                Array(m.dataIn([0x52, 1, 0, 0, 0, 1, 0, 0, 255])[24..<28]), Machine.bytes(blocks))
            expect(
                m, [0xB9, 0, 0] + [136, 33, 73] + [136, 34, 0] + [0x10],
                [UInt8](repeating: 0, count: 4096))
        }
    }

    /// Page 2A claims that the drive plays audio: so hosts ask it to, and there is none on the disc.
    func testAudio() throws {
        try forEachCD(over: engines) { m in
            // No blocks: hosts ask so whether the drive plays.
            for packet in [
                [0x45], [0xA5], [0x45, 0, 0, 0, 1, 0, 0, 0, 0], [0x47, 0, 0, 0, 2, 5, 0, 2, 5],
                [0x47, 0, 0, 0, 0, 0, 0, 0, 0], [0x45, 0, 0xFF, 0xFF, 0xFF, 0xFF],
            ] as [[UInt8]] {
                m.packet(packet)
                m.expectSuccess()
            }
            // A data track, from a block, or from where the drive is.
            for packet in [
                [0x45, 0, 0, 0, 0, 0, 0, 0, 1], [0x45, 0, 0, 0, 1, 0xFF, 0, 0xFF, 0xFF],
                [0xA5, 0, 0, 0, 0, 0, 0x01, 0, 0, 0], [0x47, 0, 0, 0, 2, 0, 0, 2, 1],
                [0x45, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1],
                [0x47, 0, 0, 0xFF, 0xFF, 0xFF, 0, 2, 1], [0x47, 0, 0, 0, 2, 0, 255, 59, 74],
            ] as [[UInt8]] {
                expectFailure(m, packet, 0x6400)
            }
            // Not on the disc; before it; and what is no address, or the wrong way round.
            expectFailure(m, [0x45, 0, 0, 0, 2, 0, 0, 0, 1], 0x2100)
            expectFailure(m, [0xA5, 0, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF], 0x2100)
            expectFailure(m, [0x47, 0, 0, 0, 1, 0, 0, 2, 0], 0x2100)
            expectFailure(m, [0x47, 0, 0, 0, 2, 75, 0, 3, 0], 0x2400)
            expectFailure(m, [0x47, 0, 0, 0, 2, 0, 0, 60, 0], 0x2400)
            expectFailure(m, [0x47, 0, 0, 0, 2, 1, 0, 2, 0], 0x2400)
            // Nothing plays: it can be stopped, but neither paused nor resumed.
            m.packet([0x4E])
            m.expectSuccess()
            for byte in [0, 1] as [UInt8] {
                expectFailure(m, [0x4B, 0, 0, 0, 0, 0, 0, 0, byte], 0x2C00)
            }
            expect(m, [0x42, 0, 0x40, 1, 0, 0, 0, 0, 2], [0, 0x15])
        }
        let m = try emptyMachine()
        for opcode in [0x45, 0x47, 0x4B, 0x4E, 0xA5] as [UInt8] {
            m.packet([opcode])
            m.expectFailure(2, 0x3A00)
        }
    }

    func testReadSubchannel() throws {
        try forEachCD(over: engines) { m in
            _ = m.dataIn(Machine.read10(4, count: 2))
            expect(m, [0x42, 0, 0x00, 1, 0, 0, 0, 0, 255], [0, 0x15, 0, 0])
            expect(
                m, [0x42, 0, 0x40, 1, 0, 0, 0, 0, 255],
                [0, 0x15, 0, 12, 1, 0x14, 1, 1, 0, 0, 0, 5, 0, 0, 0, 5])
            expect(
                m, [0x42, 2, 0x40, 1, 0, 0, 0, 0, 255],
                [0, 0x15, 0, 12, 1, 0x14, 1, 1, 0, 0, 2, 5, 0, 0, 0, 5])
            expect(
                m, [0x42, 0, 0x40, 2, 0, 0, 0, 0, 255],
                [0, 0x15, 0, 20, 2] + [UInt8](repeating: 0, count: 19))
            expect(
                m, [0x42, 0, 0x40, 3, 0, 0, 1, 0, 255],
                [0, 0x15, 0, 20, 3, 0x14, 1] + [UInt8](repeating: 0, count: 17))
            expectFailure(m, [0x42, 0, 0x40, 3, 0, 0, 2, 0, 255], 0x2400)
            expectFailure(m, [0x42, 0, 0x40, 4, 0, 0, 0, 0, 255], 0x2400)
        }
    }

    func testGetConfiguration() throws {
        try forEachCD(over: engines) { m in
            let profiles: [UInt8] = [0, 0, 3, 8, 0, 0x10, 0, 0, 0, 8, 1, 0]
            let readable: [UInt8] = [0, 0x10, 1, 8, 0, 0, 8, 0, 0, 1, 1, 0]
            let dvd: [UInt8] = [0, 0x1F, 0, 0]
            let all = m.dataIn([0x46, 0, 0, 0, 0, 0, 0, 1, 0])
            XCTAssertEqual(Array(all[..<8]), [0, 0, 0, UInt8(all.count - 4), 0, 0, 0, 8])
            XCTAssertEqual(Array(all[8..<20]), profiles)
            let current = m.dataIn([0x46, 1, 0, 0, 0, 0, 0, 1, 0])
            XCTAssertEqual(current.count, all.count - dvd.count, "a CD is no DVD")
            expect(
                m, [0x46, 2, 0, 0x10, 0, 0, 0, 1, 0], [0, 0, 0, 16, 0, 0, 0, 8] + readable)
            expect(m, [0x46, 2, 0, 0x1F, 0, 0, 0, 1, 0], [0, 0, 0, 8, 0, 0, 0, 8] + dvd)
            expect(m, [0x46, 2, 0, 0x20, 0, 0, 0, 1, 0], [0, 0, 0, 4, 0, 0, 0, 8])
            XCTAssertEqual(
                m.dataIn([0x46, 0, 1, 8, 0, 0, 0, 1, 0]),
                [0, 0, 0, 28, 0, 0, 0, 8, 1, 8, 3, 20] + text("BIO00002", 20))
            expectFailure(m, [0x46, 3, 0, 0, 0, 0, 0, 1, 0], 0x2400)
        }
    }

    func testDiscAndTrackInformation() throws {
        try forEachCD(over: engines) { m in
            let disc = m.dataIn([0x51, 0, 0, 0, 0, 0, 0, 0, 255])
            XCTAssertEqual(disc.count, 34)
            XCTAssertEqual(Array(disc[..<9]), [0, 32, 0x0E, 1, 1, 1, 1, 0x20, 0])
            XCTAssertEqual(Array(disc[16..<24]), [UInt8](repeating: 0xFF, count: 8))
            expectFailure(m, [0x51, 1, 0, 0, 0, 0, 0, 0, 255], 0x2400)
            for packet in [
                [0x52, 1, 0, 0, 0, 1, 0, 0, 255], [0x52, 2, 0, 0, 0, 1, 0, 0, 255],
                [0x52, 0, 0, 0, 1, 0xFF, 0, 0, 255],
            ] as [[UInt8]] {
                let track = m.dataIn(packet)
                XCTAssertEqual(track.count, 36)
                XCTAssertEqual(Array(track[..<8]), [0, 34, 1, 1, 0, 4, 1, 0])
                XCTAssertEqual(Array(track[8..<12]), [0, 0, 0, 0])
                XCTAssertEqual(Array(track[24..<32]), [0, 0, 2, 0, 0, 0, 1, 0xFF])
            }
            for packet in [
                [0x52, 1, 0, 0, 0, 2, 0, 0, 255], [0x52, 0, 0, 0, 2, 0, 0, 0, 255],
                [0x52, 3, 0, 0, 0, 1, 0, 0, 255],
            ] as [[UInt8]] {
                expectFailure(m, packet, 0x2400)
            }
        }
    }

    func testMechanismStatusAndSpeed() throws {
        try forEachCD(over: engines) { m in
            m.packet([0x2B, 0] + Machine.bytes(258))
            m.expectSuccess()
            expect(m, [0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 255], [0, 0, 0, 1, 2, 1, 0, 0])
            for speed in [0, 176, 0xFFFF] as [UInt16] {
                m.packet([0xBB, 0, UInt8(speed >> 8), UInt8(speed & 0xFF), 0xFF, 0xFF])
                m.expectSuccess()
            }
            expectFailure(m, [0xAD, 0, 0, 0, 0, 0, 0, 0, 0, 255], 0x3002)
        }
    }

    /// 5 GiB are no CD.
    func testADVD() throws {
        let image = try TemporaryImage(size: 5 << 30)
        let last = UInt32(5 << 30 / 2048) - 1
        try compare(
            over: engines,
            with: { configuration in
                let machine = try Machine(configuration)
                try machine.attachCD(image.path)
                return machine
            }
        ) { m in
            expect(m, [0x25], Machine.bytes(last) + [0, 0, 8, 0])
            expect(m, Machine.read10(last, count: 1), [UInt8](repeating: 0, count: 2048))
            expectFailure(m, Machine.read10(last, count: 2), 0x2100)
            expect(m, [0x46, 0, 0, 0, 0, 0, 0, 0, 8], [0, 0, 0, 92, 0, 0, 0, 0x10])
            let physical = m.dataIn([0xAD, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
            XCTAssertEqual(physical.count, 2052)
            XCTAssertEqual(Array(physical[..<12]), [8, 2, 0, 0, 1, 0x0F, 1, 0, 0, 3, 0, 0])
            XCTAssertEqual(Array(physical[12..<16]), Machine.bytes(0x3_0000 + last))
            expect(m, [0xAD, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF], [0, 6, 0, 0, 0, 0, 0, 0])
            XCTAssertEqual(m.dataIn([0xAD, 0, 0, 0, 0, 0, 0, 4, 0xFF, 0xFF]).count, 2052)
            expect(
                m, [0xAD, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF],
                [0, 14, 0, 0, 0, 0x40, 8, 4, 1, 0x40, 0, 8, 4, 0x40, 8, 4])
            expectFailure(m, [0xAD, 0, 0, 0, 0, 0, 1, 0, 0xFF, 0xFF], 0x2400)
            expectFailure(m, [0xAD, 0, 0, 0, 0, 0, 0, 2, 0xFF, 0xFF], 0x2400)
            // Nothing is around the user data of a DVD.
            expectFailure(m, Machine.readCD(0, count: 1, 0xF8), 0x6400)
            expect(m, Machine.readCD(0, count: 1, 0x10), [UInt8](repeating: 0, count: 2048))
        }
    }
}
