import BlockATA
import BlockDMA
import BlockIO
import Glibc
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": discs whose image has whole sectors of 2352 bytes.
final class RawDiscTests: CDTestCase {
    private let engines = MachineConfiguration.engines
    private let slot = IDESlot.primaryMaster

    // MARK: Images

    /// Sectors of noise with synchronisation and header; the address is that of the sector.
    private func sectors(_ count: Int, mode: UInt8, first: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * 2352)
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        for number in 0..<count {
            let frames = first + number + 150
            bytes += [0] + [UInt8](repeating: 0xFF, count: 10) + [0]
            bytes += [frames / 4500, frames / 75 % 60, frames % 75].map {
                UInt8($0 / 10 * 16 + $0 % 10)
            }
            bytes.append(mode)
            for _ in 0..<2336 / 8 {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                withUnsafeBytes(of: state) { bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }

    private func image(_ content: [UInt8], size: Int? = nil) throws -> TemporaryImage {
        try TemporaryImage(size: size ?? content.count, content: content)
    }

    /// Part of each of `count` sectors from number `first` on.
    private func part(
        _ raw: [UInt8], _ range: Range<Int>, from first: Int, count: Int
    ) -> [UInt8] {
        (first..<first + count).flatMap {
            raw[$0 * 2352 + range.lowerBound..<$0 * 2352 + range.upperBound]
        }
    }

    private func forEach(
        _ path: String, _ options: CDROMOptions = CDROMOptions(),
        over configurations: [MachineConfiguration]? = nil, line: UInt = #line,
        _ body: (TestMachine) throws -> Void
    ) throws {
        try compare(
            over: configurations ?? engines, line: line,
            with: { configuration in
                let machine = try TestMachine(configuration)
                try machine.attachCD(path, options)
                return machine
            }, body)
    }

    private func table(_ count: Int, sizes: [Int]) -> [(address: UInt32, size: Int)] {
        var entries: [(address: UInt32, size: Int)] = []
        var place = 0
        while place < count {
            let size = min(sizes[entries.count % sizes.count], count - place)
            entries.append((TestMachine.data + UInt32(place), size))
            place += size
        }
        return entries
    }

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

    // MARK: Failures

    /// What the host has begun it ends, and that is one of the requests that the piece needs.
    func testAStopLeavesTheRestOfThePieceUnread() throws {
        let raw = sectors(600, mode: 1)
        let image = try image(raw)
        try forEach(image.path, over: engines.filter { $0.bounce == .usual }) { machine in
            let hold = machine.faults.add(.init(.hold, operations: [.read], count: 1))
            let before = try XCTUnwrap(machine.controller.statistics(of: slot)).reads.operations
            machine.packetDMA(
                TestMachine.read10(0, count: 600), table(600 * 2048, sizes: [65536]), settles: false
            )
            machine.stop()
            XCTAssertEqual([machine.bmStatus, machine.alternateStatus], [0, DriveStatus.working])
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            let after = try XCTUnwrap(machine.controller.statistics(of: slot)).reads.operations
            XCTAssertEqual(after - before, 1)
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectAbort()
            let first = TestMachine.data
            XCTAssertEqual(
                machine.bytes(at: first, count: 2048), part(raw, 16..<2064, from: 0, count: 1))
            XCTAssertEqual(
                machine.bytes(at: first + 599 * 2048, count: 2048),
                [UInt8](repeating: 0, count: 2048))
        }
    }

    func testAFailureNamesItsBlock() throws {
        let raw = sectors(640, mode: 1)
        let image = try image(raw)
        // A direct image would be read in smaller pieces.
        let configurations = engines.filter { $0.bounce == .usual && $0.caching == .buffered }
        try forEach(image.path, over: configurations) { machine in
            // 512 sectors are one request, so the second begins with sector 519.
            for (after, block) in [(0, 7), (1, 519)] as [(Int, UInt32)] {
                machine.faults.add(
                    .init(.transientError(EIO), operations: [.read], after: after, count: 1))
                machine.packetDMA(
                    TestMachine.read10(7, count: 600), table(600 * 2048, sizes: [0x10000]))
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, PacketError.mediumError])
                let sense = machine.dataIn([PacketOpcode.requestSense, 0, 0, 0, 18])
                XCTAssertEqual([sense[0], sense[2], sense[12]], [0xF0, 3, 0x11])
                XCTAssertEqual(Array(sense[3..<7]), TestMachine.bytes(block))
            }
            machine.faults.add(.init(.transientError(EIO), operations: [.read], after: 1, count: 1))
            machine.packet(TestMachine.read10(7, count: 60), limit: 0xF800)
            _ = machine.takeBursts()
            let sense = machine.dataIn([PacketOpcode.requestSense, 0, 0, 0, 18])
            XCTAssertEqual(Array(sense[3..<7]), TestMachine.bytes(7 + 31))
        }
    }

    func testAFailureIsIgnored() throws {
        let raw = sectors(96, mode: 2)
        let image = try image(raw)
        let options = CDROMOptions(readErrorPolicy: .ignore)
        try forEach(image.path, options) { machine in
            machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            XCTAssertEqual(
                machine.dataIn(TestMachine.readCD(1, count: 2, ReadCDFields.all)),
                [UInt8](repeating: 0, count: 4704))
            machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            machine.packetDMA(TestMachine.read10(1, count: 1), [(TestMachine.data, 2048)])
            machine.expectSuccess()
            // What memory has of the one that failed depends on how it went there.
            machine.packetDMA(TestMachine.read10(1, count: 1), [(TestMachine.data, 2048)])
            machine.expectSuccess()
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 2048), Array(raw[2376..<4424]))
        }
    }

    func testAFailureIsKeptAndTheStateMoves() throws {
        let raw = sectors(640, mode: 1)
        let image = try image(raw)
        let options = CDROMOptions(readErrorPolicy: .stop)
        try forEach(image.path, options) { machine in
            for (isDMA, after) in [(false, 0), (true, 0), (true, 1)] {
                machine.faults.add(.init(.error(EIO), operations: [.read], after: after, count: 1))
                machine.stop()
                machine.clearBusMasterStatus()
                let count = isDMA ? 600 : 6
                machine.setTable(table(count * 2048, sizes: [0x10000]))
                machine.packet(
                    TestMachine.read10(9, count: UInt16(count)), limit: 0xF000, isDMA: isDMA)
                if isDMA { machine.start(toMemory: true) }
                machine.settle()
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                try move(machine)
                XCTAssertFalse(machine.irq)
                machine.controller.resume()
                machine.settle()
                let data =
                    isDMA
                    ? machine.bytes(at: TestMachine.data, count: count * 2048)
                    : machine.takeBursts().data
                machine.expectSuccess()
                XCTAssertEqual(data, part(raw, 16..<2064, from: 9, count: count))
            }
        }
    }

    func testAStateMovesInTheMiddleOfABurst() throws {
        let raw = sectors(64, mode: 2)
        let image = try image(raw)
        try forEach(image.path) { machine in
            for (packet, range) in [
                (TestMachine.read10(7, count: 40), 24..<2072),
                (TestMachine.readCD(7, count: 40, ReadCDFields.all), 0..<2352),
                (TestMachine.readCD(7, count: 40, 0x50), 16..<2072),
            ] {
                machine.packet(packet, limit: 5000)
                var data = machine.readData(count: 400)
                try move(machine)
                data += machine.readData(count: 4600)
                machine.settle()
                try move(machine)
                data += machine.takeBursts().data
                machine.expectSuccess()
                XCTAssertEqual(data, part(raw, range, from: 7, count: 40))
            }
        }
    }

    /// A disc of as many blocks that stores its sectors in another way is another disc: the rest of the data
    /// would come from another place in the sectors.
    func testAStateIsNotForADiscOfAnotherLayout() throws {
        let images = [
            try image(sectors(64, mode: 1)), try image(sectors(64, mode: 2)),
            try image([UInt8](repeating: 0x55, count: 64 * 2048)),
        ]
        for (one, other, isRefused) in [
            (0, 1, true), (1, 0, true), (1, 2, true), (2, 1, true), (0, 2, false), (2, 0, false),
        ] {
            let machine = try TestMachine()
            try machine.attachCD(images[one].path)
            machine.packet(TestMachine.read10(7, count: 40), limit: 5000)
            let state = try machine.controller.save()
            let target = try TestMachine()
            try target.attachCD(images[other].path)
            guard isRefused else {
                try target.controller.load(state)
                continue
            }
            let before = try target.controller.save()
            XCTAssertThrowsError(try target.controller.load(state), "\(one) \(other)") {
                guard case IDEError.otherHardware = $0 else { return XCTFail("\($0)") }
            }
            XCTAssertTrue(try target.controller.save() == before, "changed")
            // Nothing is read, so it does not matter.
            machine.controller.reset()
            try target.controller.load(machine.controller.save())
        }
    }

    func testAResetInTheMiddle() throws {
        let raw = sectors(640, mode: 1)
        let image = try image(raw)
        try forEach(image.path, over: engines.filter { $0.bounce == .usual }) { machine in
            let hold = machine.faults.add(.init(.hold, operations: [.read]))
            machine.setTable(table(600 * 2048, sizes: [0x10000]))
            machine.givePacket(TestMachine.read10(7, count: 600), isDMA: true)
            machine.start(toMemory: true)
            machine.control(4)
            machine.control(0)
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            // The second request was never made.
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data + 512 * 2048, count: 2048),
                [UInt8](repeating: 0, count: 2048))
            XCTAssertFalse(machine.irq)
            XCTAssertEqual(machine.dataIn(TestMachine.read10(1, count: 1)), Array(raw[2368..<4416]))
        }
    }

    func testMediaOfBothKindsChange() throws {
        let raw = sectors(640, mode: 2)
        let image = try image(raw)
        try forEachCD(over: engines.filter { $0.bounce != .forced }) { machine in
            for _ in 0..<2 {
                try machine.controller.changeMedium(slot, to: machine.openCD(image.path))
                while machine.testUnitReady() != nil {}
                XCTAssertEqual(
                    machine.dataIn(TestMachine.read10(639, count: 1)),
                    Array(raw[639 * 2352 + 24..<639 * 2352 + 2072]))
                // One goes while it is read, in its second request.
                let hold = machine.faults.add(.init(.hold, operations: [.read]))
                machine.setTable(table(600 * 2048, sizes: [0x10000]))
                machine.givePacket(TestMachine.read10(7, count: 600), isDMA: true)
                machine.start(toMemory: true)
                try machine.controller.changeMedium(
                    slot, to: machine.openCD(Self.target(machine.configuration.target).path))
                machine.faults.remove(hold)
                machine.faults.release()
                machine.settle()
                machine.expectFailure(.mediumNotPresent)
                machine.stop()
                while machine.testUnitReady() != nil {}
                XCTAssertEqual(
                    machine.dataIn(TestMachine.read10(2, count: 1)), Self.content(block: 2))
            }
        }
    }

    // MARK: What is recognised

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
