import BlockATA
import BlockDMA
import BlockIO
import Glibc
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": what a guest reads of a disc whose image has whole sectors of 2352 bytes.
final class RawDiscTests: RawDiscTestCase {
    // MARK: Reading

    func testUserData() throws {
        for (mode, start) in [(1, 16), (2, 24)] {
            let raw = sectors(96, mode: UInt8(mode))
            let image = try image(raw)
            try forEach(image.path) { machine in
                XCTAssertEqual(
                    machine.dataIn([PacketOpcode.readCapacity]),
                    TestMachine.bytes(95) + TestMachine.bytes(2048))
                let data = start..<start + 2048
                let expected = part(raw, data, from: 3, count: 70)
                XCTAssertEqual(
                    machine.dataIn(TestMachine.read10(3, count: 70), limit: 0xF800), expected)
                XCTAssertEqual(
                    machine.dataIn(
                        [PacketOpcode.read12, 0] + TestMachine.bytes(3) + TestMachine.bytes(70),
                        limit: 1000),
                    expected)
                XCTAssertEqual(
                    machine.dataIn(TestMachine.readCD(3, count: 70, ReadCDFields.userData)),
                    expected)
                for sizes in [[0x8000], [0x10000], [2048], [998, 4096, 2, 3000], [510]] {
                    machine.write([UInt8](repeating: 0xAA, count: 0x30000), at: TestMachine.data)
                    machine.packetDMA(
                        TestMachine.read10(3, count: 70), table(expected.count, sizes: sizes))
                    machine.expectSuccess()
                    XCTAssertEqual(
                        machine.bytes(at: TestMachine.data, count: expected.count), expected)
                    XCTAssertEqual(
                        machine.bytes(at: TestMachine.data + UInt32(expected.count), count: 64),
                        [UInt8](repeating: 0xAA, count: 64))
                }
                machine.sample("data", expected)
                machine.packet(TestMachine.read10(96, count: 1))
                machine.expectFailure(.addressOutOfRange)
                machine.packet(TestMachine.read10(95, count: 2))
                machine.expectFailure(.addressOutOfRange)
            }
        }
    }

    func testRawSectorsAreThoseOfTheImage() throws {
        for mode in [1, 2] as [UInt8] {
            let raw = sectors(64, mode: mode)
            let image = try image(raw)
            try forEach(image.path) { machine in
                let expected = Array(raw[5 * 2352..<45 * 2352])
                XCTAssertEqual(
                    machine.dataIn(
                        TestMachine.readCD(5, count: 40, ReadCDFields.all), limit: 0xF000), expected
                )
                XCTAssertEqual(
                    machine.dataIn([
                        PacketOpcode.readCDMSF, 0, 0, 0, 2, 5, 0, 2, 45, ReadCDFields.all,
                    ]),
                    expected)
                machine.packetDMA(
                    TestMachine.readCD(5, count: 40, ReadCDFields.all),
                    table(expected.count, sizes: [998, 4096]))
                machine.expectSuccess()
                XCTAssertEqual(machine.bytes(at: TestMachine.data, count: expected.count), expected)
                XCTAssertEqual(
                    machine.dataIn(TestMachine.readCD(5, count: 40, 0x20), limit: 10),
                    part(raw, 12..<16, from: 5, count: 40))
            }
        }
    }

    func testPartsOfSectorsOfMode2() throws {
        let raw = sectors(32, mode: 2)
        let image = try image(raw)
        try forEach(image.path) { machine in
            // Expected sector type, selection, and what of a sector that is.
            for (type, selection, range) in [
                (0, 0x10, 24..<2072), (4, 0x10, 24..<2072), (5, 0x10, 24..<2348),
                (0, 0x40, 16..<24), (0, 0x60, 12..<24), (0, 0xE0, 0..<24), (0, 0x50, 16..<2072),
                (4, 0x58, 16..<2352), (4, 0x18, 24..<2352), (5, 0x18, 24..<2352),
                (5, 0x50, 16..<2348), (5, 0xF0, 0..<2348), (5, 0xF8, 0..<2352),
            ] as [(UInt8, UInt8, Range<Int>)] {
                var packet = TestMachine.readCD(1, count: 20, selection)
                packet[1] = type << 2
                XCTAssertEqual(
                    machine.dataIn(packet, limit: 0x4000), part(raw, range, from: 1, count: 20),
                    "\(type) \(hex(selection))")
            }
            // Holes, and what there is not: audio, Mode 1, Mode 2 without forms.
            for selection in [0x30, 0x38, 0x08, 0x48, 0x12] as [UInt8] {
                machine.packet(TestMachine.readCD(1, count: 1, selection))
                machine.expectFailure(.invalidField)
            }
            for type in [1, 2, 3] as [UInt8] {
                var packet = TestMachine.readCD(1, count: 1, ReadCDFields.userData)
                packet[1] = type << 2
                machine.packet(packet)
                machine.expectFailure(.illegalModeForTrack)
            }
        }
    }

    func testTheDiscIsDescribed() throws {
        for mode in [1, 2] as [UInt8] {
            let image = try image(sectors(64, mode: mode))
            try forEach(image.path, over: [.one]) { machine in
                let type: UInt8 = mode == 2 ? 0x20 : 0
                XCTAssertEqual(
                    machine.dataIn([PacketOpcode.readDiscInformation, 0, 0, 0, 0, 0, 0, 0, 255])[8],
                    type)
                XCTAssertEqual(
                    machine.dataIn([PacketOpcode.readTrackInformation, 1, 0, 0, 0, 1, 0, 0, 255])[6]
                        & 15, mode)
                let raw = machine.dataIn([PacketOpcode.readTOC, 2, 2, 0, 0, 0, 0, 0, 255])
                XCTAssertEqual(Array(raw[4..<15]), [1, 0x14, 0, 0xA0, 0, 0, 0, 0, 1, type, 0])
                XCTAssertEqual(
                    Array(
                        machine.dataIn([PacketOpcode.readTOC, 2, 0, 0, 0, 0, 0xAA, 0, 255])[9...]),
                    [0, 2, 64])
                XCTAssertEqual(
                    Array(
                        machine.dataIn([PacketOpcode.getConfiguration, 0, 0, 0, 0, 0, 0, 0, 8])[
                            6...]), [0, 8])
            }
        }
    }

    /// 100 minutes: longer than any CD may be, and still no DVD.
    func testALongDiscIsACD() throws {
        let count = 100 * 60 * 75 + 16
        let image = try image(sectors(2, mode: 1), size: count * 2352)
        try forEach(image.path, over: [.one]) { machine in
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.readCapacity]),
                TestMachine.bytes(UInt32(count) - 1) + [0, 0, 8, 0])
            XCTAssertEqual(
                Array(
                    machine.dataIn([PacketOpcode.getConfiguration, 0, 0, 0, 0, 0, 0, 0, 8])[6...]),
                [0, 8])
            XCTAssertEqual(
                Array(machine.dataIn([PacketOpcode.readTOC, 2, 0, 0, 0, 0, 0xAA, 0, 255])[9...]),
                [100, 2, 16])
            XCTAssertEqual(
                machine.dataIn(TestMachine.readCD(UInt32(count) - 1, count: 1, ReadCDFields.all)),
                [UInt8](repeating: 0, count: 2352))
        }
    }

    /// A disc that is written out sector by sector is, as a raw image, the same disc.
    func testARawImageOfADiscIsThatDisc() throws {
        let plain = try cdMachine()
        let raw = plain.dataIn(TestMachine.readCD(0, count: 512, ReadCDFields.all))
        XCTAssertEqual(raw.count, 512 * 2352)
        let image = try image(raw)
        try forEach(image.path) { machine in
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.readCapacity]),
                plain.dataIn([PacketOpcode.readCapacity]))
            XCTAssertEqual(machine.dataIn(TestMachine.readCD(0, count: 512, ReadCDFields.all)), raw)
            machine.packetDMA(
                TestMachine.read10(0, count: 512), table(512 * 2048, sizes: [0x10000]))
            machine.expectSuccess()
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 512 * 2048),
                Self.content(block: 0, count: 512))
        }
    }

    // MARK: Requests

    func testReadsAreVectored() throws {
        let raw = sectors(640, mode: 1)
        let image = try image(raw)
        for configuration in engines where configuration.bounce == .usual {
            let machine = try TestMachine(configuration)
            try machine.attachCD(image.path)
            for (count, expected) in [(1, 1), (64, 1), (512, 1), (600, 2)] {
                let before = try XCTUnwrap(machine.controller.statistics(of: slot))
                let dma = machine.controller.dmaStatistics[0]
                machine.packetDMA(
                    TestMachine.read10(7, count: UInt16(count)),
                    table(count * 2048, sizes: [0x10000]))
                machine.expectSuccess()
                XCTAssertEqual(
                    machine.bytes(at: TestMachine.data, count: count * 2048),
                    part(raw, 16..<2064, from: 7, count: count))
                let after = try XCTUnwrap(machine.controller.statistics(of: slot))
                XCTAssertEqual(
                    after.reads.operations - before.reads.operations, UInt64(expected),
                    "\(configuration), \(count)")
                let bounced = machine.controller.dmaStatistics[0].bouncedBytes - dma.bouncedBytes
                XCTAssertEqual(bounced, 0)
                if configuration.caching == .buffered {
                    XCTAssertEqual(after.bouncedBytes, before.bouncedBytes)
                    XCTAssertEqual(
                        after.kernelRequests - before.kernelRequests, UInt64(expected))
                }
            }
        }
    }
}
