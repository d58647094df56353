import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": READ CD and READ CD MSF.
final class ReadCDTests: CDTestCase {
    func testUserDataAndRawSectors() throws {
        try forEachCD { machine in
            XCTAssertEqual(
                machine.dataIn(
                    TestMachine.readCD(30, count: 35, ReadCDFields.userData), limit: 0x9000),
                Self.content(block: 30, count: 35))
            let raw = machine.dataIn(
                TestMachine.readCD(30, count: 35, ReadCDFields.all), limit: 0xFFFF)
            XCTAssertEqual(raw.count, 35 * 2352)
            for index in 0..<35 {
                let sector = Array(raw[index * 2352..<(index + 1) * 2352])
                XCTAssertEqual(Array(sector[16..<2064]), Self.content(block: 30 + index))
                XCTAssertEqual(sector[14], UInt8((30 + index) / 10 * 16 + (30 + index) % 10))
            }
            machine.sample("raw", raw)
            // Parts of the same, a limit that cuts everywhere, more sectors than fit at a time.
            let header = machine.dataIn(TestMachine.readCD(30, count: 35, 0x20), limit: 10)
            XCTAssertEqual(
                header, (0..<35).flatMap { raw[$0 * 2352 + 12..<$0 * 2352 + 16] })
            let tail = machine.dataIn(TestMachine.readCD(30, count: 35, 0x38), limit: 3330)
            XCTAssertEqual(
                tail, (0..<35).flatMap { raw[$0 * 2352 + 12..<($0 + 1) * 2352] })
            machine.sample("parts", header, tail)
        }
    }

    func testMSF() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            // 00:02:10 up to, not including, 00:02:13.
            XCTAssertEqual(
                machine.dataIn([
                    PacketOpcode.readCDMSF, 0, 0, 0, 2, 10, 0, 2, 13, ReadCDFields.userData,
                ]),
                Self.content(block: 10, count: 3))
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.readCDMSF, 0, 0, 0, 2, 10, 0, 2, 13, ReadCDFields.all]
                ),
                machine.dataIn(TestMachine.readCD(10, count: 3, ReadCDFields.all)))
            for (packet, code) in [
                (
                    [PacketOpcode.readCDMSF, 0, 0, 0, 2, 13, 0, 2, 10, ReadCDFields.userData],
                    0x2400
                ),
                (
                    [PacketOpcode.readCDMSF, 0, 0, 0, 2, 75, 0, 3, 10, ReadCDFields.userData],
                    0x2400
                ),
                (
                    [PacketOpcode.readCDMSF, 0, 0, 0, 60, 0, 1, 0, 10, ReadCDFields.userData],
                    0x2400
                ),
                (
                    [
                        PacketOpcode.readCDMSF, 0, 0, 255, 0, 0, 255, 255, 255,
                        ReadCDFields.userData,
                    ], 0x2400
                ),
                (
                    [PacketOpcode.readCDMSF, 0, 0, 0, 1, 74, 0, 2, 10, ReadCDFields.userData],
                    0x2100
                ),
                ([PacketOpcode.readCDMSF, 0, 0, 0, 2, 0, 99, 59, 74, ReadCDFields.all], 0x2100),
            ] as [([UInt8], UInt16)] {
                machine.packet(packet)
                machine.expectFailure(SenseKeyCode(5, code))
            }
        }
    }

    func testWhatASectorHasNot() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            // Error flags, holes, sub-channels.
            for packet in [
                TestMachine.readCD(0, count: 1, 0x12), TestMachine.readCD(0, count: 1, 0x90),
                TestMachine.readCD(0, count: 1, 0x08),
                TestMachine.readCD(0, count: 1, ReadCDFields.userData) + [0x01],
            ] {
                machine.packet(packet)
                machine.expectFailure(.invalidField)
            }
            // Other types of sector than Mode 1.
            for type in [1, 3, 4, 5] as [UInt8] {
                var packet = TestMachine.readCD(0, count: 1, ReadCDFields.userData)
                packet[1] = type << 2
                machine.packet(packet)
                machine.expectFailure(.illegalModeForTrack)
            }
            // Nothing of sectors that are not there.
            machine.packet(TestMachine.readCD(0xFF_FFFF, count: 2, 0))
            machine.expectFailure(.addressOutOfRange)
            var packet = TestMachine.readCD(0, count: 1, ReadCDFields.userData)
            packet[1] = 2 << 2
            XCTAssertEqual(machine.dataIn(packet), Self.content(block: 0))
        }
    }

    /// An ISO 9660 file system, made by genisoimage, and read in every way.
    func testAnISOImage() throws {
        let directory = try TemporaryDirectory()
        defer { directory.close() }
        let path = directory.path("image.iso")
        try ChildProcess.run(
            try orSkip(ChildProcess.find("genisoimage", package: "genisoimage")),
            ["-quiet", "-R", "-J", "-V", "SWIFT-BLOCKIO", "-o", path, "/etc/default"])
        let iso = try [UInt8](XCTUnwrap(FileManager.default.contents(atPath: path)))
        XCTAssertEqual(iso.count % 2048, 0)
        XCTAssertEqual(Array(iso[0x8001..<0x8006]), Array("CD001".utf8))
        let count = min(iso.count / 2048, Self.blockCount)
        let expected = Array(iso[..<(count * 2048)])
        var first: [UInt8]?
        try forEachCD(content: expected) { machine in
            XCTAssertEqual(machine.dataIn(TestMachine.read10(0, count: UInt16(count))), expected)
            machine.packetDMA(
                TestMachine.read10(0, count: UInt16(count)),
                stride(from: 0, to: count * 2048, by: 65536).map {
                    (TestMachine.data + UInt32($0), min(65536, count * 2048 - $0))
                })
            machine.expectSuccess()
            XCTAssertEqual(machine.bytes(at: TestMachine.data, count: count * 2048), expected)
            let raw = machine.dataIn(TestMachine.readCD(0, count: UInt32(count), ReadCDFields.all))
            XCTAssertEqual(
                (0..<count).flatMap { raw[$0 * 2352 + 16..<$0 * 2352 + 2064] }, expected)
            first = first ?? raw
            XCTAssertEqual(raw, first)
        }
        // For decoders that are no part of this: see Tests/Reference/cd-sectors.
        if let target = ProcessInfo.processInfo.environment["CD_SECTORS"] {
            try Data(expected).write(to: URL(fileURLWithPath: target + ".iso"))
            try Data(XCTUnwrap(first)).write(to: URL(fileURLWithPath: target + ".raw"))
        }
    }
}
