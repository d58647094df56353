import BlockATA
import BlockIO
import XCTest

@testable import IDE
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI" and "Bus master": data by DMA.
final class PacketDMATests: CDTestCase {
    private let data = TestMachine.data

    private func expectDone(_ machine: TestMachine, bm: UInt8 = 4, line: UInt = #line) {
        XCTAssertEqual(machine.bmStatus, bm, line: line)
        machine.expectSuccess(line: line)
    }

    func testReadsIntoAnyPieces() throws {
        try forEachCD { machine in
            machine.packetDMA(TestMachine.read10(5, count: 16), [(self.data, 32768)])
            self.expectDone(machine)
            XCTAssertEqual(
                machine.bytes(at: self.data, count: 32768), Self.content(block: 5, count: 16))
            machine.sample("whole", machine.bytes(at: self.data, count: 32768))
            let entries = [2, 510, 300, 4, 1024, 6, 250, 2000].enumerated().map {
                (address: self.data + 0x1_0002 + UInt32($0.offset) * 0x1006, size: $0.element)
            }
            machine.packetDMA(TestMachine.read10(77, count: 2), entries, startsFirst: true)
            self.expectDone(machine)
            XCTAssertEqual(
                entries.flatMap { machine.bytes(at: $0.address, count: $0.size) },
                Self.content(block: 77, count: 2))
            machine.sample("pieces", machine.bytes(at: self.data, count: 0x2_0000))
            XCTAssertEqual(machine.events, [])
        }
    }

    func testRawSectorsByDMAAreThoseByPIO() throws {
        try forEachCD { machine in
            for fields in [0xF8, 0xB0, 0x20] as [UInt8] {
                let expected = machine.dataIn(
                    TestMachine.readCD(3, count: 40, fields), limit: 0xF000)
                machine.packetDMA(
                    TestMachine.readCD(3, count: 40, fields),
                    self.table(expected.count, sizes: [998, 4096, 3000]))
                self.expectDone(machine)
                XCTAssertEqual(machine.bytes(at: self.data, count: expected.count), expected)
                machine.sample("raw \(fields)", expected)
            }
        }
    }

    /// Pieces of these sizes, one behind the other, for `count` bytes.
    private func table(_ count: Int, sizes: [Int]) -> [(address: UInt32, size: Int)] {
        var entries: [(address: UInt32, size: Int)] = []
        var place = 0
        while place < count {
            let size = min(sizes[entries.count % sizes.count], count - place)
            entries.append((data + UInt32(place), size))
            place += size
        }
        return entries
    }

    func testTableSizesAgainstAnswers() throws {
        try forEachCD { machine in
            for (packet, size) in [
                (TestMachine.read10(1, count: 2), 4096), ([PacketOpcode.inquiry, 0, 0, 0, 36], 36),
            ] {
                machine.packetDMA(packet, [(self.data, size)])
                self.expectDone(machine)
                // Longer: all is moved, and ACTIVE stays until it is stopped.
                machine.packetDMA(packet, [(self.data, size + 2)])
                self.expectDone(machine, bm: 5)
                machine.stop()
                XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
                // Shorter: nothing happens, and nobody is told.
                machine.write([UInt8](repeating: 0xAA, count: size), at: self.data)
                machine.packetDMA(packet, [(self.data, size - 2)])
                XCTAssertEqual(
                    [machine.bmStatus, machine.alternateStatus, machine.reason],
                    [0, DriveStatus.idle, ReasonRegister.status])
                XCTAssertFalse(machine.irq)
                XCTAssertEqual(
                    machine.bytes(at: self.data, count: size), [UInt8](repeating: 0xAA, count: size)
                )
                machine.sample("\(size)")
            }
        }
    }

    /// No table can describe an odd number of bytes; the bus moves words.
    func testAnOddAnswerFillsAWord() throws {
        try forEachCD { machine in
            machine.write([UInt8](repeating: 0xAA, count: 8), at: self.data)
            machine.packetDMA([PacketOpcode.inquiry, 0, 0, 0, 5], [(self.data, 6)])
            self.expectDone(machine)
            let answer = machine.bytes(at: self.data, count: 8)
            XCTAssertEqual(Array(answer.prefix(3)), [0x05, 0x80, 0x00])
            XCTAssertEqual(Array(answer.suffix(2)), [0xAA, 0xAA])
            machine.packetDMA(
                [PacketOpcode.inquiry, 0, 0, 0, 5], [(self.data, 6), (self.data, 2)])
            self.expectDone(machine, bm: 5)
            machine.packetDMA([PacketOpcode.inquiry, 0, 0, 0, 5], [(self.data, 4)])
            XCTAssertEqual(
                [machine.bmStatus, machine.alternateStatus, machine.reason],
                [0, DriveStatus.idle, ReasonRegister.status])
            machine.sample("answer", answer)
        }
    }

    func testTheCommandWaitsForStart() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.setTable([(data, 2048)])
            machine.packet(TestMachine.read10(4, count: 1), isDMA: true)
            XCTAssertEqual(
                [machine.alternateStatus, machine.reason, machine.bmStatus],
                [DriveStatus.wantsData, ReasonRegister.dataIn, 0])
            XCTAssertFalse(machine.irq)
            machine.start(toMemory: true)
            machine.settle()
            expectDone(machine)
            XCTAssertEqual(machine.bytes(at: data, count: 2048), Self.content(block: 4))
            // A second START moves nothing.
            machine.write([UInt8](repeating: 0, count: 2048), at: data)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.bytes(at: data, count: 2048), [UInt8](repeating: 0, count: 2048))
        }
    }

    func testADirectionBitOfNoUse() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packetDMA(TestMachine.read10(4, count: 1), [(data, 2048)], toMemory: false)
            expectDone(machine)
            XCTAssertEqual(machine.bytes(at: data, count: 2048), Self.content(block: 4))
        }
    }

    func testAnswersWithoutDataLeaveTheBusMasterAlone() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.packetDMA([PacketOpcode.testUnitReady], [(data, 2048)], startsFirst: true)
            expectDone(machine, bm: 5)
            machine.stop()
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.packetDMA([0xFE], [(data, 2048)])
            XCTAssertEqual(machine.bmStatus & 6, 4)
            machine.stop()
            machine.expectFailure(.invalidOperation)
        }
    }

    func testModeSelectByDMA() throws {
        try forEachCD { machine in
            let list: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0]
            machine.write(list, at: self.data)
            machine.packetDMA(
                [PacketOpcode.modeSelect10, PacketBits.pageFormat, 0, 0, 0, 0, 0, 0, 16],
                [(self.data, 6), (self.data + 6, 10)],
                toMemory: false)
            self.expectDone(machine)
            let page = machine.dataIn([
                PacketOpcode.modeSense10, 0, ModePage.errorRecovery, 0, 0, 0, 0, 0, 255,
            ])
            XCTAssertEqual(Array(page[8...]), [0x01, 6, 0x20, 9, 0, 0, 0, 0])
            machine.sample("page", page)
        }
    }

    func testFaultsOfMemory() throws {
        try forEachCD { machine in
            // Behind the end of memory, for blocks and for an answer.
            for packet in [
                TestMachine.read10(0, count: 1), TestMachine.readCD(0, count: 1, ReadCDFields.all),
            ] {
                machine.packetDMA(packet, [(self.data, 1024), (0x8000_0000, 2048)])
                XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError)
                machine.expectAbort()
                XCTAssertEqual(machine.takeSense(), SenseKeyCode.none)
                machine.sample("hole")
            }
            // A table that is nowhere.
            machine.stop()
            machine.clearBusMasterStatus()
            machine.controller.writePort(
                TestMachine.busMaster + BusMasterRegister.table, width: 4, value: 0x8000_0000)
            machine.givePacket(TestMachine.read10(0, count: 1), isDMA: true)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError)
            machine.expectAbort()
            machine.sample("no table")
        }
    }

    func testStopDoesNotWaitAndTheCommandEndsAsUsual() throws {
        for packet in [
            TestMachine.read10(8, count: 4), TestMachine.readCD(8, count: 4, ReadCDFields.userData),
        ] {
            try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) {
                machine in
                let hold = machine.faults.add(.init(.hold, operations: [.read]))
                machine.setTable([(data, 8192)])
                machine.givePacket(packet, isDMA: true)
                machine.start(toMemory: true)
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                machine.stop()
                XCTAssertEqual(
                    [machine.alternateStatus, machine.bmStatus], [DriveStatus.working, 0])
                machine.faults.remove(hold)
                machine.faults.release()
                machine.settle()
                expectDone(machine)
                XCTAssertEqual(
                    machine.bytes(at: data, count: 8192), Self.content(block: 8, count: 4))
            }
        }
    }

    func testStopBetweenPiecesAborts() throws {
        // Raw sectors go 33 at a time.
        try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) {
            machine in
            let hold = machine.faults.add(.init(.hold, operations: [.read]))
            machine.setTable(table(100 * 2352, sizes: [0x8000]))
            machine.givePacket(TestMachine.readCD(0, count: 100, ReadCDFields.all), isDMA: true)
            machine.start(toMemory: true)
            machine.stop()
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectAbort()
        }
    }

    /// What an earlier command has moved through the drive's buffer says nothing about a piece that goes
    /// without it.
    func testNothingMovesForADiscThatIsGone() throws {
        for configuration in MachineConfiguration.inPieces {
            let machine = try cdMachine(configuration)
            machine.packetDMA([PacketOpcode.inquiry, 0, 0, 0, 36], [(data, 36)])
            expectDone(machine)
            let before = [UInt8](repeating: 0xE7, count: 2048)
            machine.write(before, at: data)
            let hold = machine.faults.add(.init(.hold, operations: [.read]))
            machine.packetDMA(TestMachine.read10(8, count: 1), [(data, 2048)], settles: false)
            try machine.controller.eject(.primaryMaster)
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            machine.expectFailure(.mediumNotPresent)
            XCTAssertEqual(machine.bytes(at: data, count: 2048), before, "\(configuration)")
        }
    }

    func testSRSTDisarms() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            machine.setTable([(data, 2048)])
            machine.packet(TestMachine.read10(4, count: 1), isDMA: true)
            machine.control(DeviceControlBits.softwareReset)
            machine.control(0)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.bytes(at: data, count: 2048), [UInt8](repeating: 0, count: 2048))
            XCTAssertFalse(machine.irq)
        }
    }

    func testReadCopiesNothing() throws {
        try forEachCD(over: [.one]) { machine in
            let queue = try XCTUnwrap(machine.controller.primary.drives[0].queue)
            let entries = (0..<32).map { (address: data + UInt32($0) * 8192, size: 4096) }
            machine.packetDMA(TestMachine.read10(0, count: 64), entries)
            expectDone(machine)
            XCTAssertEqual(machine.controller.dmaStatistics[0].directBytes, 131072)
            XCTAssertEqual(machine.controller.dmaStatistics[0].bouncedBytes, 0)
            XCTAssertEqual(queue.statistics.directBytes, 131072)
            XCTAssertEqual(queue.statistics.bouncedBytes, 0)
            XCTAssertEqual(queue.statistics.kernelRequests, 1)
            XCTAssertEqual(
                entries.flatMap { machine.bytes(at: $0.address, count: 4096) },
                Self.content(block: 0, count: 64))
        }
    }

    /// A disk and a CD drive on one channel: each is charged with what it has moved itself.
    func testBytesAreChargedToTheirDrive() throws {
        for bounce in [MachineConfiguration.Bounce.usual, .forced] {
            var configuration = MachineConfiguration.one
            configuration.bounce = bounce
            let machine = try machine(configuration)
            try machine.attachCD(Self.plainPath(1), to: .primarySlave)
            machine.transfer(Opcode.readDMA, lba: 9, count: 8, [(TestMachine.data, 4096)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.stop()
            machine.clearBusMasterStatus()
            machine.setTable([(TestMachine.data, 6144)])
            machine.outb(IDEPort.device, DeviceSelect.slave)
            machine.outb(IDEPort.features, PacketFeature.dma)
            machine.outb(IDEPort.command, Opcode.packet)
            machine.writeData(TestMachine.read10(7, count: 3) + [0, 0, 0])
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            let moved = [IDESlot.primaryMaster, .primarySlave].map(machine.controller.dmaBytes)
            XCTAssertEqual(moved.map { bounce == .forced ? $0.bounced : $0.direct }, [4096, 6144])
            XCTAssertEqual(moved.map { bounce == .forced ? $0.direct : $0.bounced }, [0, 0])
        }
    }
}
