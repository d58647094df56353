import BlockATA
import BlockDMA
import BlockIO
import Glibc
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": which images have whole sectors of 2352 bytes, and which are refused.
final class RawDiscRecognitionTests: RawDiscTestCase {
    private func expectRefusal(
        _ content: [UInt8], size: Int? = nil, _ words: String, line: UInt = #line
    ) throws {
        let image = try image(content, size: size)
        let machine = try TestMachine()
        XCTAssertThrowsError(try machine.attachCD(image.path), words, line: line) {
            guard case ATAError.invalidOption(let text) = $0 else {
                return XCTFail("\($0)", line: line)
            }
            XCTAssertTrue(text.contains(words), text, line: line)
            XCTAssertTrue(text.contains(image.path), text, line: line)
        }
    }

    func testOtherSectorsAreRefused() throws {
        let raw = sectors(32, mode: 1)
        func changed(_ place: Int, _ value: UInt8) -> [UInt8] {
            var result = raw
            result[place] = value
            return result
        }
        // Every 2352 bytes followed by 96 of sub-channels: 2448 bytes a sector.
        let subchannels = (0..<32).flatMap {
            raw[$0 * 2352..<($0 + 1) * 2352] + [UInt8](repeating: 0, count: 96)
        }
        try expectRefusal(subchannels, "2448")
        // Mode 2 without synchronisation and header, and with a file system.
        var bare = [UInt8](repeating: 0, count: 32 * 2336)
        bare.replaceSubrange(16 * 2336 + 9..<16 * 2336 + 14, with: Array("CD001".utf8))
        try expectRefusal(bare, "2336")
        try expectRefusal(Array(raw[..<(31 * 2352)]), size: 144 * 512, "multiple of 2352")
        for mode in [0, 3, 0xFF] as [UInt8] {
            try expectRefusal(changed(15, mode), "mode \(mode)")
        }
        // Headers that lie: no address, not the next, another mode, no second sector.
        for (place, value) in [
            (12, 0x0A), (13, 0x60), (14, 0x75), (14, 0xFF), (2352 + 14, 0x05), (2352 + 15, 2),
            (2352 + 3, 0),
        ] as [(Int, UInt8)] {
            try expectRefusal(changed(place, value), "do not agree")
        }
    }

    func testPlainImagesStayPlain() throws {
        // A pattern that is not quite one, a file system in blocks whose size would do for both, zeroes.
        var almost = sectors(32, mode: 1)
        almost[5] = 0xFE
        var iso = [UInt8](repeating: 0, count: 2336 * 64)
        iso.replaceSubrange(16 * 2048 + 1..<16 * 2048 + 6, with: Array("CD001".utf8))
        iso.replaceSubrange(16 * 2336 + 9..<16 * 2336 + 14, with: Array("CD001".utf8))
        for content in [almost, iso, [UInt8](repeating: 0, count: 32 * 2352)] {
            let image = try image(content)
            let machine = try TestMachine()
            try machine.attachCD(image.path)
            XCTAssertEqual(
                Array(machine.dataIn([PacketOpcode.readCapacity])[..<4]),
                TestMachine.bytes(UInt32(content.count / 2048 - 1)))
            XCTAssertEqual(
                machine.dataIn(TestMachine.read10(1, count: 1)), Array(content[2048..<4096]))
        }
    }

    /// A track need not begin at 00:02:00, and the last sector may be followed by padding to 512 bytes.
    func testWhereATrackBeginsAndEnds() throws {
        for (count, first) in [(32, 4350), (31, 0), (1, 0)] {
            let raw = sectors(count, mode: 1, first: first)
            let image = try image(raw, size: (raw.count + 511) / 512 * 512)
            let machine = try TestMachine()
            try machine.attachCD(image.path)
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.readCapacity]),
                TestMachine.bytes(UInt32(count) - 1) + [0, 0, 8, 0])
            XCTAssertEqual(
                machine.dataIn(TestMachine.readCD(UInt32(count) - 1, count: 1, ReadCDFields.all)),
                Array(raw.suffix(2352))
            )
        }
    }
}
