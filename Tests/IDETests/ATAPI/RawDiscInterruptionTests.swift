import BlockATA
import BlockDMA
import BlockIO
import Glibc
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": a stop, a failure, a saved state, a reset and a change of the medium while a disc of
/// whole sectors is read.
final class RawDiscInterruptionTests: RawDiscTestCase {
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
            machine.control(DeviceControlBits.softwareReset)
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
}
