import XCTest

@testable import BlockATA

/// Sectors against ECMA-130, and against those that others have made.
final class RawSectorTests: XCTestCase {
    /// A sector with user data of its own.
    private func sector(_ block: UInt32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: 2352)
        bytes.replaceSubrange(16..<2064, with: content(block))
        bytes.withUnsafeMutableBytes { buffer in
            if let base = buffer.baseAddress { RawSector.complete(base, block: block) }
        }
        return bytes
    }

    private func content(_ block: UInt32) -> [UInt8] {
        var result: [UInt8] = []
        for number in 0..<4 as Range<UInt64> {
            var state = (UInt64(block) &+ number &+ 1) &* 0x9e37_79b9_7f4a_7c15
            for _ in 0..<64 {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                withUnsafeBytes(of: state.littleEndian) { result.append(contentsOf: $0) }
            }
        }
        return result
    }

    /// FNV-1a, 64 bits.
    private func digest(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// Blocks 0 (00:02:00), 16, one with digits above 9 in each place, and the last (99:59:74).
    private let blocks: [UInt32] = [0, 16, 4350, 71_999, 449_849]

    /// FNV-1a of the same sectors as cdrdao 1.2.6 makes them (trackdb/lec.cc,
    /// lec_encode_mode1_sector); Tests/Reference/cd-sectors makes them anew.
    private let reference: [UInt64] = [
        0xdba0_5a72_0434_dd93,
        0x887a_0aae_8260_fc83,
        0x0a7b_4c7b_4cad_793b,
        0xf1cc_3625_54d3_3cb7,
        0x6d15_820f_065a_f2b7,
    ]

    func testAgainstCdrdao() {
        for (block, expected) in zip(blocks, reference) {
            XCTAssertEqual(digest(sector(block)), expected, "block \(block)")
        }
    }

    func testHeadersAreBCD() {
        let headers = blocks.map { Array(sector($0)[..<16]) }
        let sync: [UInt8] = [0] + [UInt8](repeating: 0xFF, count: 10) + [0]
        XCTAssertEqual(
            headers,
            [
                sync + [0x00, 0x02, 0x00, 1], sync + [0x00, 0x02, 0x16, 1],
                sync + [0x01, 0x00, 0x00, 1], sync + [0x16, 0x01, 0x74, 1],
                sync + [0x99, 0x59, 0x74, 1],
            ])
    }

    /// Clause 14.3: what is before the EDC, and it, are divisible by its polynomial.
    func testTheDetectionCodeDivides() {
        for block in blocks {
            let sector = sector(block)
            var remainder: UInt64 = 0
            // (x^16 + x^15 + x^2 + 1) (x^16 + x^2 + x + 1), multiplied out here.
            var polynomial: UInt64 = 0
            for shift in [16, 15, 2, 0] as [UInt64] { polynomial ^= 0x1_0007 << shift }
            XCTAssertEqual(polynomial, 0x1_8001_801B)
            for byte in sector[..<2068] {
                for bit in 0..<8 {
                    remainder = remainder << 1 | UInt64(byte >> UInt8(bit) & 1)
                    if remainder >> 32 != 0 { remainder ^= polynomial }
                }
            }
            XCTAssertEqual(remainder, 0)
            XCTAssertEqual(sector[2068..<2076].reduce(0, |), 0)
        }
    }

    /// Annex A: the products of every P and Q vector with both rows of the parity check matrix are
    /// zero, by logarithms.
    func testTheParitiesAreThoseOfAnnexA() {
        var power = [UInt8](repeating: 0, count: 255)
        var value = 1
        for exponent in 0..<255 {
            power[exponent] = UInt8(value)
            value <<= 1
            if value > 255 { value ^= 0x11D }
        }
        func times(_ byte: UInt8, _ exponent: Int) -> UInt8 {
            guard let logarithm = power.firstIndex(of: byte) else { return 0 }
            return power[(logarithm + exponent) % 255]
        }
        for block in [0, 4350] as [UInt32] {
            let bytes = Array(sector(block)[12...])
            for plane in 0..<2 {
                let words = (0..<1170).map { bytes[2 * $0 + plane] }
                let columns = (0..<43).map { n -> [UInt8] in
                    (0..<26).map { words[43 * $0 + n] }
                }
                let diagonals = (0..<26).map { n -> [UInt8] in
                    let data = (0..<43).map { words[(44 * $0 + 43 * n) % 1118] }
                    return data + [words[1118 + n], words[1144 + n]]
                }
                for vector in columns + diagonals {
                    XCTAssertEqual(vector.reduce(0, ^), 0)
                    let weighted = vector.enumerated().map {
                        times($0.element, vector.count - 1 - $0.offset)
                    }
                    XCTAssertEqual(weighted.reduce(0, ^), 0)
                }
            }
        }
    }

    func testFieldsOfASector() {
        let sizes: [(UInt8, Int?)] = [
            (0x00, 0), (0x10, 2048), (0x18, 2336), (0x20, 4), (0x30, 2052), (0x38, 2340),
            (0x80, 12), (0xA0, 16), (0xB0, 2064), (0xB8, 2352), (0xF8, 2352), (0x40, 0),
            (0x08, nil), (0x28, nil), (0x90, nil), (0x88, nil), (0x12, nil), (0xFE, nil),
        ]
        for (byte, size) in sizes {
            XCTAssertEqual(SectorFields(mainChannelSelection: byte)?.size, size, "\(hex(byte))")
        }
        let form1: [(UInt8, Int?)] = [
            (0x00, 0), (0x10, 2048), (0x18, 2328), (0x20, 4), (0x40, 8), (0x60, 12), (0x50, 2056),
            (0x58, 2336), (0x78, 2340), (0xE0, 24), (0xF0, 2072), (0xF8, 2352), (0x30, nil),
            (0xA0, 16), (0xB0, nil), (0x08, nil), (0x48, nil), (0xC0, nil), (0x1A, nil),
        ]
        for (byte, size) in form1 {
            XCTAssertEqual(
                SectorFields(mainChannelSelection: byte, of: .form1)?.size, size, "\(hex(byte))")
            // The user data of form 2 has 276 bytes more, and what is behind it as many fewer.
            let other = size.map { byte & 0x18 == 0x10 ? $0 + 276 : $0 }
            XCTAssertEqual(
                SectorFields(mainChannelSelection: byte, of: .form2)?.size, other, "\(hex(byte))")
        }
    }

    func testAddresses() {
        XCTAssertEqual(DiscAddress(block: 0), DiscAddress(minute: 0, second: 2, frame: 0))
        XCTAssertEqual(DiscAddress(block: 449_849), DiscAddress(minute: 99, second: 59, frame: 74))
        XCTAssertEqual(DiscAddress(block: 449_850), DiscAddress(minute: 100, second: 0, frame: 0))
        XCTAssertEqual(
            DiscAddress(block: 1_151_849), DiscAddress(minute: 255, second: 59, frame: 74))
        XCTAssertEqual(
            DiscAddress(block: 1_151_850), DiscAddress(minute: 255, second: 59, frame: 74))
        XCTAssertEqual(DiscAddress(block: .max), DiscAddress(minute: 255, second: 59, frame: 74))
        XCTAssertEqual(DiscAddress(minute: 0, second: 0, frame: 0).block, -150)
        XCTAssertEqual(DiscAddress(minute: 255, second: 255, frame: 255).block, 1_166_730)
        for block in stride(from: UInt32(0), to: 1_151_850, by: 997) {
            XCTAssertEqual(DiscAddress(block: block).block, Int64(block))
        }
    }
}
