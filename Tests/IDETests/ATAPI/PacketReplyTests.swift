import BlockATA
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": what the commands that describe drive and disc answer. The disc has
/// 512 blocks.
final class PacketReplyTests: CDTestCase {
    private let engines = MachineConfiguration.engines

    private func expect(
        _ machine: TestMachine, _ packet: [UInt8], _ expected: [UInt8], line: UInt = #line
    ) {
        XCTAssertEqual(machine.dataIn(packet, line: line), expected, line: line)
    }

    private func expectFailure(
        _ machine: TestMachine, _ packet: [UInt8], _ sense: SenseKeyCode, line: UInt = #line
    ) {
        machine.packet(packet, line: line)
        machine.expectFailure(sense, line: line)
    }

    private func text(_ text: String, _ count: Int) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 0x20, count: count - text.utf8.count)
    }

    func testInquiry() throws {
        let options = CDROMOptions(
            vendor: "VEND", product: "A PRODUCT", revision: "3.4", serial: "SER 12")
        try forEachCD(options, over: engines) { machine in
            expect(
                machine, [PacketOpcode.inquiry, 0, 0, 0, 255],
                [5, 0x80, 0, 0x21, 31, 0, 0, 0] + text("VEND", 8) + text("A PRODUCT", 16)
                    + text("3.4", 4))
            expect(machine, [PacketOpcode.inquiry, 0, 0, 0, 4], [5, 0x80, 0, 0x21])
            expect(
                machine,
                [
                    PacketOpcode.inquiry, PacketBits.vitalProductData,
                    VitalProductPage.supportedPages, 0, 255,
                ],
                [5, 0, 0, 3, 0x00, 0x80, 0x83])
            expect(
                machine,
                [
                    PacketOpcode.inquiry, PacketBits.vitalProductData,
                    VitalProductPage.serialNumber, 0, 255,
                ],
                [5, 0x80, 0, 20] + text("SER 12", 20))
            let one = [2, 0, 0, 20] + text("SER 12", 20)
            let two = [2, 1, 0, 68] + text("VEND", 8) + text("A PRODUCT", 40) + text("SER 12", 20)
            expect(
                machine,
                [
                    PacketOpcode.inquiry, PacketBits.vitalProductData,
                    VitalProductPage.identification, 0, 255,
                ],
                [5, 0x83, 0, 96] + one + two)
            expectFailure(
                machine, [PacketOpcode.inquiry, PacketBits.vitalProductData, 0x81, 0, 255],
                .invalidField)
            expectFailure(machine, [PacketOpcode.inquiry, 0, 0x80, 0, 255], .invalidField)
        }
    }

    private let recovery: [UInt8] = [0x01, 6, 0, 5, 0, 0, 0, 0]
    private let audio: [UInt8] = [0x0E, 14, 4, 0, 0, 0, 0, 0, 1, 0xFF, 2, 0xFF, 0, 0, 0, 0]
    /// Speeds of 704 kB/s, two volume levels, a buffer of 512 KiB.
    private let capabilities: [UInt8] = [
        0x2A, 18, 0x3B, 0, 0x71, 0x60, 0x29, 0, 2, 0xC0, 0, 2, 2, 0, 2, 0xC0, 0, 0, 0, 0,
    ]

    func testModeSense() throws {
        try forEachCD(over: engines) { machine in
            for (number, page) in [
                (ModePage.errorRecovery, recovery), (ModePage.audioControl, audio),
                (ModePage.capabilities, capabilities),
            ] {
                let length = UInt8(page.count)
                expect(
                    machine, [PacketOpcode.modeSense10, 0, number, 0, 0, 0, 0, 0, 255],
                    [0, length + 6, 0x01, 0, 0, 0, 0, 0] + page)
                expect(
                    machine, [PacketOpcode.modeSense6, 0, number, 0, 255],
                    [length + 3, 0x01, 0, 0] + page)
                expect(
                    machine, [PacketOpcode.modeSense6, 0, ModePage.defaultValues | number, 0, 255],
                    [length + 3, 0x01, 0, 0] + page)
                // There are no saved values.
                expectFailure(
                    machine,
                    [
                        PacketOpcode.modeSense10, 0, ModePage.savedValues | number, 0, 0, 0, 0, 0,
                        255,
                    ],
                    .savingNotSupported)
            }
            let all = recovery + audio + capabilities
            expect(
                machine, [PacketOpcode.modeSense10, 0, ModePage.all, 0, 0, 0, 0, 0, 255],
                [0, UInt8(all.count + 6), 0x01, 0, 0, 0, 0, 0] + all)
            expect(
                machine, [PacketOpcode.modeSense6, 0, ModePage.all, 0, 255],
                [UInt8(all.count + 3), 0x01, 0, 0] + all)
            let changeable = ModePage.changeableValues | ModePage.errorRecovery
            expect(
                machine, [PacketOpcode.modeSense6, 0, changeable, 0, 255],
                [11, 0x01, 0, 0, 0x01, 6, 0xFF, 0xFF, 0, 0, 0, 0])
            expect(
                machine, [PacketOpcode.modeSense6, 0, changeable, 0, 6], [11, 0x01, 0, 0, 0x01, 6])
            expectFailure(machine, [PacketOpcode.modeSense6, 0, 0x05, 0, 255], .invalidField)
        }
    }

    private func select(_ machine: TestMachine, _ list: [UInt8], limit: UInt16 = 0xFFFE) {
        machine.packet(
            [PacketOpcode.modeSelect10, 0x10, 0, 0, 0, 0, 0, 0, UInt8(list.count)], limit: limit)
        var rest = list[...]
        while machine.alternateStatus == DriveStatus.wantsData, !rest.isEmpty {
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.reason, 0, "data out")
            _ = machine.status
            machine.writeData(Array(rest.prefix(machine.byteCount)))
            rest = rest.dropFirst(machine.byteCount)
            machine.settle()
        }
    }

    func testModeSelect() throws {
        try forEachCD(over: engines) { machine in
            let header = [UInt8](repeating: 0, count: 8)
            let changed: [UInt8] = [0x0E, 14, 4, 0, 0, 0, 0, 0, 2, 0x80, 1, 0x40, 0, 0, 0, 0]
            for limit in [0xFFFE, 6] as [UInt16] {
                select(machine, header + [0x01, 6, 0x20, 9, 0, 0, 0, 0] + changed, limit: limit)
                machine.expectSuccess()
                expect(
                    machine, [PacketOpcode.modeSense6, 0, ModePage.errorRecovery, 0, 255],
                    [11, 1, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0])
                expect(
                    machine, [PacketOpcode.modeSense6, 0, ModePage.audioControl, 0, 255],
                    [19, 1, 0, 0] + changed)
                // The default stays what it is, and so back.
                expect(
                    machine,
                    [
                        PacketOpcode.modeSense6, 0, ModePage.defaultValues | ModePage.audioControl,
                        0, 255,
                    ], [19, 1, 0, 0] + audio)
                select(machine, header + recovery + audio)
                machine.expectSuccess()
            }
            // An unsupported page, a page of the wrong length, and a list that ends in a page:
            // the good one before it is not taken over either.
            for (list, code) in [
                ([0x2A, 18] + [UInt8](repeating: 0, count: 18), 0x2600),
                ([0x01, 4, 1, 1, 1, 1], 0x2600), ([0x01, 6, 1, 1], 0x1A00),
            ] as [([UInt8], UInt16)] {
                select(machine, header + changed + list)
                machine.expectFailure(SenseKeyCode(5, code))
                expect(
                    machine, [PacketOpcode.modeSense6, 0, ModePage.audioControl, 0, 255],
                    [19, 1, 0, 0] + audio)
            }
            // Nothing can be saved.
            expectFailure(
                machine,
                [
                    PacketOpcode.modeSelect10, PacketBits.pageFormat | PacketBits.savePages, 0, 0,
                    0, 0, 0, 0, 16,
                ], .invalidField)
            machine.packet([PacketOpcode.modeSelect10, PacketBits.pageFormat])
            machine.expectSuccess()
        }
    }

    func testReadCapacity() throws {
        try forEachCD(over: engines) { machine in
            expect(machine, [PacketOpcode.readCapacity], [0, 0, 1, 0xFF, 0, 0, 8, 0])
        }
    }

    func testReadTOC() throws {
        try forEachCD(over: engines) { machine in
            let track: [UInt8] = [0, 0x14, 1, 0, 0, 0, 0, 0]
            let leadOut: [UInt8] = [0, 0x14, 0xAA, 0, 0, 0, 2, 0]
            expect(
                machine, [PacketOpcode.readTOC, 0, 0, 0, 0, 0, 0, 0, 255],
                [0, 18, 1, 1] + track + leadOut)
            expect(
                machine, [PacketOpcode.readTOC, 0, 0, 0, 0, 0, 1, 0, 255],
                [0, 18, 1, 1] + track + leadOut)
            expect(
                machine, [PacketOpcode.readTOC, 0, 0, 0, 0, 0, 0xAA, 0, 255],
                [0, 10, 1, 1] + leadOut)
            expect(
                machine, [PacketOpcode.readTOC, 0, 0, 0, 0, 0, 0, 0, 12], [0, 18, 1, 1] + track)
            expectFailure(machine, [PacketOpcode.readTOC, 0, 0, 0, 0, 0, 2, 0, 255], .invalidField)
            // Minutes, seconds, frames: 150 before block 0, and 662.
            expect(
                machine, [PacketOpcode.readTOC, 2, 0, 0, 0, 0, 0, 0, 255],
                [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xAA, 0, 0, 0, 8, 62])
            let raw: [UInt8] =
                [0, 46, 1, 1] + [1, 0x14, 0, 0xA0, 0, 0, 0, 0, 1, 0, 0]
                + [1, 0x14, 0, 0xA1, 0, 0, 0, 0, 1, 0, 0]
                + [1, 0x14, 0, 0xA2, 0, 0, 0, 0, 0, 8, 62] + [1, 0x14, 0, 1, 0, 0, 0, 0, 0, 2, 0]
            // The format is in byte 2, or in the upper bits of byte 9.
            for format in [1, 2, 3] as [UInt8] {
                for packet in [
                    [PacketOpcode.readTOC, 2, format, 0, 0, 0, 0, 0, 255],
                    [PacketOpcode.readTOC, 2, 0, 0, 0, 0, 0, 0, 255, format << 6],
                ] {
                    switch format {
                    case 1: expect(machine, packet, [0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0])
                    case 2: expect(machine, packet, raw)
                    default: expectFailure(machine, packet, .invalidField)
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
            let machine = try TestMachine()
            try machine.attachCD(image.path)
            expect(
                machine, [PacketOpcode.readTOC, 2, 0, 0, 0, 0, 0xAA, 0, 255],
                [0, 10, 1, 1, 0, 0x14, 0xAA, 0, 0] + leadOut)
            XCTAssertEqual(
                Array(machine.dataIn([PacketOpcode.readTOC, 2, 2, 0, 0, 0, 0, 0, 255])[33..<37]),
                [0] + leadOut)
            expect(
                machine, [PacketOpcode.readTOC, 0, 0, 0, 0, 0, 0xAA, 0, 255],
                [0, 10, 1, 1, 0, 0x14, 0xAA, 0] + TestMachine.bytes(blocks))
            _ = machine.dataIn(TestMachine.read10(blocks - 1, count: 1))
            let position = machine.dataIn([
                PacketOpcode.readSubchannel, PacketBits.minutesSecondsFrames,
                PacketBits.subchannelData, 1, 0, 0, 0, 0, 255,
            ])
            XCTAssertEqual(Array(position[8..<12]), [0] + last)
            // How far into the track: two seconds less.
            let distance = blocks - 1 < 256 * 4500 ? blocks - 1 : 256 * 4500 - 1
            XCTAssertEqual(
                Array(position[12...]),
                [0, UInt8(distance / 4500), UInt8(distance / 75 % 60), UInt8(distance % 75)])
            XCTAssertEqual(
                Array(
                    machine.dataIn([PacketOpcode.readTrackInformation, 1, 0, 0, 0, 1, 0, 0, 255])[
                        24..<28]), TestMachine.bytes(blocks))
            expect(
                machine,
                [PacketOpcode.readCDMSF, 0, 0] + [136, 33, 73] + [136, 34, 0]
                    + [ReadCDFields.userData],
                [UInt8](repeating: 0, count: 4096))
        }
    }

    /// Page 2A claims that the drive plays audio: so hosts ask it to, and there is none on the disc.
    func testAudio() throws {
        try forEachCD(over: engines) { machine in
            // No blocks: hosts ask so whether the drive plays.
            for packet in [
                [PacketOpcode.playAudio10], [PacketOpcode.playAudio12],
                [PacketOpcode.playAudio10, 0, 0, 0, 1, 0, 0, 0, 0],
                [PacketOpcode.playAudioMSF, 0, 0, 0, 2, 5, 0, 2, 5],
                [PacketOpcode.playAudioMSF, 0, 0, 0, 0, 0, 0, 0, 0],
                [PacketOpcode.playAudio10, 0, 0xFF, 0xFF, 0xFF, 0xFF],
            ] as [[UInt8]] {
                machine.packet(packet)
                machine.expectSuccess()
            }
            // A data track, from a block, or from where the drive is.
            for packet in [
                [PacketOpcode.playAudio10, 0, 0, 0, 0, 0, 0, 0, 1],
                [PacketOpcode.playAudio10, 0, 0, 0, 1, 0xFF, 0, 0xFF, 0xFF],
                [PacketOpcode.playAudio12, 0, 0, 0, 0, 0, 0x01, 0, 0, 0],
                [PacketOpcode.playAudioMSF, 0, 0, 0, 2, 0, 0, 2, 1],
                [PacketOpcode.playAudio10, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1],
                [PacketOpcode.playAudioMSF, 0, 0, 0xFF, 0xFF, 0xFF, 0, 2, 1],
                [PacketOpcode.playAudioMSF, 0, 0, 0, 2, 0, 255, 59, 74],
            ] as [[UInt8]] {
                expectFailure(machine, packet, .illegalModeForTrack)
            }
            // Not on the disc; before it; and what is no address, or the wrong way round.
            expectFailure(
                machine, [PacketOpcode.playAudio10, 0, 0, 0, 2, 0, 0, 0, 1], .addressOutOfRange)
            expectFailure(
                machine,
                [PacketOpcode.playAudio12, 0, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF],
                .addressOutOfRange)
            expectFailure(
                machine, [PacketOpcode.playAudioMSF, 0, 0, 0, 1, 0, 0, 2, 0], .addressOutOfRange)
            expectFailure(
                machine, [PacketOpcode.playAudioMSF, 0, 0, 0, 2, 75, 0, 3, 0], .invalidField)
            expectFailure(
                machine, [PacketOpcode.playAudioMSF, 0, 0, 0, 2, 0, 0, 60, 0], .invalidField)
            expectFailure(
                machine, [PacketOpcode.playAudioMSF, 0, 0, 0, 2, 1, 0, 2, 0], .invalidField)
            // Nothing plays: it can be stopped, but neither paused nor resumed.
            machine.packet([PacketOpcode.stopPlayScan])
            machine.expectSuccess()
            for byte in [0, 1] as [UInt8] {
                expectFailure(
                    machine, [PacketOpcode.pauseResume, 0, 0, 0, 0, 0, 0, 0, byte],
                    .commandSequenceError)
            }
            expect(
                machine,
                [PacketOpcode.readSubchannel, 0, PacketBits.subchannelData, 1, 0, 0, 0, 0, 2],
                [0, 0x15])
        }
        let machine = try emptyMachine()
        for opcode in [
            PacketOpcode.playAudio10, PacketOpcode.playAudioMSF, PacketOpcode.pauseResume,
            PacketOpcode.stopPlayScan, PacketOpcode.playAudio12,
        ] {
            machine.packet([opcode])
            machine.expectFailure(.mediumNotPresent)
        }
    }

    func testReadSubchannel() throws {
        try forEachCD(over: engines) { machine in
            _ = machine.dataIn(TestMachine.read10(4, count: 2))
            expect(
                machine, [PacketOpcode.readSubchannel, 0, 0x00, 1, 0, 0, 0, 0, 255],
                [0, 0x15, 0, 0])
            expect(
                machine,
                [PacketOpcode.readSubchannel, 0, PacketBits.subchannelData, 1, 0, 0, 0, 0, 255],
                [0, 0x15, 0, 12, 1, 0x14, 1, 1, 0, 0, 0, 5, 0, 0, 0, 5])
            expect(
                machine,
                [
                    PacketOpcode.readSubchannel, PacketBits.minutesSecondsFrames,
                    PacketBits.subchannelData, 1, 0, 0, 0, 0, 255,
                ],
                [0, 0x15, 0, 12, 1, 0x14, 1, 1, 0, 0, 2, 5, 0, 0, 0, 5])
            expect(
                machine,
                [PacketOpcode.readSubchannel, 0, PacketBits.subchannelData, 2, 0, 0, 0, 0, 255],
                [0, 0x15, 0, 20, 2] + [UInt8](repeating: 0, count: 19))
            expect(
                machine,
                [PacketOpcode.readSubchannel, 0, PacketBits.subchannelData, 3, 0, 0, 1, 0, 255],
                [0, 0x15, 0, 20, 3, 0x14, 1] + [UInt8](repeating: 0, count: 17))
            expectFailure(
                machine,
                [PacketOpcode.readSubchannel, 0, PacketBits.subchannelData, 3, 0, 0, 2, 0, 255],
                .invalidField)
            expectFailure(
                machine,
                [PacketOpcode.readSubchannel, 0, PacketBits.subchannelData, 4, 0, 0, 0, 0, 255],
                .invalidField)
        }
    }

    func testGetConfiguration() throws {
        try forEachCD(over: engines) { machine in
            let profiles: [UInt8] = [0, 0, 3, 8, 0, 0x10, 0, 0, 0, 8, 1, 0]
            let readable: [UInt8] = [0, 0x10, 1, 8, 0, 0, 8, 0, 0, 1, 1, 0]
            let dvd: [UInt8] = [0, 0x1F, 0, 0]
            let all = machine.dataIn([PacketOpcode.getConfiguration, 0, 0, 0, 0, 0, 0, 1, 0])
            XCTAssertEqual(Array(all[..<8]), [0, 0, 0, UInt8(all.count - 4), 0, 0, 0, 8])
            XCTAssertEqual(Array(all[8..<20]), profiles)
            let current = machine.dataIn([PacketOpcode.getConfiguration, 1, 0, 0, 0, 0, 0, 1, 0])
            XCTAssertEqual(current.count, all.count - dvd.count, "a CD is no DVD")
            expect(
                machine, [PacketOpcode.getConfiguration, 2, 0, 0x10, 0, 0, 0, 1, 0],
                [0, 0, 0, 16, 0, 0, 0, 8] + readable)
            expect(
                machine, [PacketOpcode.getConfiguration, 2, 0, 0x1F, 0, 0, 0, 1, 0],
                [0, 0, 0, 8, 0, 0, 0, 8] + dvd)
            expect(
                machine, [PacketOpcode.getConfiguration, 2, 0, 0x20, 0, 0, 0, 1, 0],
                [0, 0, 0, 4, 0, 0, 0, 8])
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.getConfiguration, 0, 1, 8, 0, 0, 0, 1, 0]),
                [0, 0, 0, 28, 0, 0, 0, 8, 1, 8, 3, 20] + text("BIO00002", 20))
            expectFailure(
                machine, [PacketOpcode.getConfiguration, 3, 0, 0, 0, 0, 0, 1, 0], .invalidField)
        }
    }

    func testDiscAndTrackInformation() throws {
        try forEachCD(over: engines) { machine in
            let disc = machine.dataIn([PacketOpcode.readDiscInformation, 0, 0, 0, 0, 0, 0, 0, 255])
            XCTAssertEqual(disc.count, 34)
            XCTAssertEqual(Array(disc[..<9]), [0, 32, 0x0E, 1, 1, 1, 1, 0x20, 0])
            XCTAssertEqual(Array(disc[16..<24]), [UInt8](repeating: 0xFF, count: 8))
            expectFailure(
                machine, [PacketOpcode.readDiscInformation, 1, 0, 0, 0, 0, 0, 0, 255], .invalidField
            )
            for packet in [
                [PacketOpcode.readTrackInformation, 1, 0, 0, 0, 1, 0, 0, 255],
                [PacketOpcode.readTrackInformation, 2, 0, 0, 0, 1, 0, 0, 255],
                [PacketOpcode.readTrackInformation, 0, 0, 0, 1, 0xFF, 0, 0, 255],
            ] as [[UInt8]] {
                let track = machine.dataIn(packet)
                XCTAssertEqual(track.count, 36)
                XCTAssertEqual(Array(track[..<8]), [0, 34, 1, 1, 0, 4, 1, 0])
                XCTAssertEqual(Array(track[8..<12]), [0, 0, 0, 0])
                XCTAssertEqual(Array(track[24..<32]), [0, 0, 2, 0, 0, 0, 1, 0xFF])
            }
            for packet in [
                [PacketOpcode.readTrackInformation, 1, 0, 0, 0, 2, 0, 0, 255],
                [PacketOpcode.readTrackInformation, 0, 0, 0, 2, 0, 0, 0, 255],
                [PacketOpcode.readTrackInformation, 3, 0, 0, 0, 1, 0, 0, 255],
            ] as [[UInt8]] {
                expectFailure(machine, packet, .invalidField)
            }
        }
    }

    func testMechanismStatusAndSpeed() throws {
        try forEachCD(over: engines) { machine in
            machine.packet([PacketOpcode.seek10, 0] + TestMachine.bytes(258))
            machine.expectSuccess()
            expect(
                machine, [PacketOpcode.mechanismStatus, 0, 0, 0, 0, 0, 0, 0, 0, 255],
                [0, 0, 0, 1, 2, 1, 0, 0])
            for speed in [0, 176, 0xFFFF] as [UInt16] {
                machine.packet([
                    PacketOpcode.setCDSpeed, 0, UInt8(speed >> 8), UInt8(speed & 0xFF), 0xFF, 0xFF,
                ])
                machine.expectSuccess()
            }
            expectFailure(
                machine, [PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 0, 0, 0, 255],
                .incompatibleFormat)
        }
    }

    /// 5 GiB are no CD.
    func testADVD() throws {
        let image = try TemporaryImage(size: 5 << 30)
        let last = UInt32(5 << 30 / 2048) - 1
        try compare(
            over: engines,
            with: { configuration in
                let machine = try TestMachine(configuration)
                try machine.attachCD(image.path)
                return machine
            }
        ) { machine in
            expect(machine, [PacketOpcode.readCapacity], TestMachine.bytes(last) + [0, 0, 8, 0])
            expect(machine, TestMachine.read10(last, count: 1), [UInt8](repeating: 0, count: 2048))
            expectFailure(machine, TestMachine.read10(last, count: 2), .addressOutOfRange)
            expect(
                machine, [PacketOpcode.getConfiguration, 0, 0, 0, 0, 0, 0, 0, 8],
                [0, 0, 0, 92, 0, 0, 0, 0x10])
            let physical = machine.dataIn([
                PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF,
            ])
            XCTAssertEqual(physical.count, 2052)
            XCTAssertEqual(Array(physical[..<12]), [8, 2, 0, 0, 1, 0x0F, 1, 0, 0, 3, 0, 0])
            XCTAssertEqual(Array(physical[12..<16]), TestMachine.bytes(0x3_0000 + last))
            expect(
                machine, [PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF],
                [0, 6, 0, 0, 0, 0, 0, 0])
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 0, 4, 0xFF, 0xFF])
                    .count, 2052)
            expect(
                machine, [PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF],
                [0, 14, 0, 0, 0, 0x40, 8, 4, 1, 0x40, 0, 8, 4, 0x40, 8, 4])
            expectFailure(
                machine, [PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 1, 0, 0xFF, 0xFF],
                .invalidField)
            expectFailure(
                machine, [PacketOpcode.readDVDStructure, 0, 0, 0, 0, 0, 0, 2, 0xFF, 0xFF],
                .invalidField)
            // Nothing is around the user data of a DVD.
            expectFailure(
                machine, TestMachine.readCD(0, count: 1, ReadCDFields.all), .illegalModeForTrack)
            expect(
                machine, TestMachine.readCD(0, count: 1, ReadCDFields.userData),
                [UInt8](repeating: 0, count: 2048))
        }
    }
}
