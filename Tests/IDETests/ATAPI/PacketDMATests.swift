import BlockATA
import BlockIO
import XCTest

@testable import IDE

/// docs/ide-rules.md, "ATAPI" and "Bus master": data by DMA.
final class PacketDMATests: CDTestCase {
    private let data = Machine.data

    private func expectDone(_ m: Machine, bm: UInt8 = 4, line: UInt = #line) {
        XCTAssertEqual(m.bmStatus, bm, line: line)
        m.expectSuccess(line: line)
    }

    func testReadsIntoAnyPieces() throws {
        try forEachCD { m in
            m.packetDMA(Machine.read10(5, count: 16), [(self.data, 32768)])
            self.expectDone(m)
            XCTAssertEqual(m.bytes(at: self.data, count: 32768), Self.content(block: 5, count: 16))
            m.sample("whole", m.bytes(at: self.data, count: 32768))
            let entries = [2, 510, 300, 4, 1024, 6, 250, 2000].enumerated().map {
                (address: self.data + 0x1_0002 + UInt32($0.offset) * 0x1006, size: $0.element)
            }
            m.packetDMA(Machine.read10(77, count: 2), entries, startsFirst: true)
            self.expectDone(m)
            XCTAssertEqual(
                entries.flatMap { m.bytes(at: $0.address, count: $0.size) },
                Self.content(block: 77, count: 2))
            m.sample("pieces", m.bytes(at: self.data, count: 0x2_0000))
            XCTAssertEqual(m.events, [])
        }
    }

    func testRawSectorsByDMAAreThoseByPIO() throws {
        try forEachCD { m in
            for fields in [0xF8, 0xB0, 0x20] as [UInt8] {
                let expected = m.dataIn(Machine.readCD(3, count: 40, fields), limit: 0xF000)
                m.packetDMA(
                    Machine.readCD(3, count: 40, fields),
                    self.table(expected.count, sizes: [998, 4096, 3000]))
                self.expectDone(m)
                XCTAssertEqual(m.bytes(at: self.data, count: expected.count), expected)
                m.sample("raw \(fields)", expected)
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
        try forEachCD { m in
            for (packet, size) in [(Machine.read10(1, count: 2), 4096), ([0x12, 0, 0, 0, 36], 36)] {
                m.packetDMA(packet, [(self.data, size)])
                self.expectDone(m)
                // Longer: all is moved, and ACTIVE stays until it is stopped.
                m.packetDMA(packet, [(self.data, size + 2)])
                self.expectDone(m, bm: 5)
                m.stop()
                XCTAssertEqual(m.bmStatus, 4)
                // Shorter: nothing happens, and nobody is told.
                m.write([UInt8](repeating: 0xAA, count: size), at: self.data)
                m.packetDMA(packet, [(self.data, size - 2)])
                XCTAssertEqual([m.bmStatus, m.alternateStatus, m.reason], [0, 0x50, 3])
                XCTAssertFalse(m.irq)
                XCTAssertEqual(
                    m.bytes(at: self.data, count: size), [UInt8](repeating: 0xAA, count: size))
                m.sample("\(size)")
            }
        }
    }

    /// No table can describe an odd number of bytes; the bus moves words.
    func testAnOddAnswerFillsAWord() throws {
        try forEachCD { m in
            m.write([UInt8](repeating: 0xAA, count: 8), at: self.data)
            m.packetDMA([0x12, 0, 0, 0, 5], [(self.data, 6)])
            self.expectDone(m)
            let answer = m.bytes(at: self.data, count: 8)
            XCTAssertEqual(Array(answer.prefix(3)), [0x05, 0x80, 0x00])
            XCTAssertEqual(Array(answer.suffix(2)), [0xAA, 0xAA])
            m.packetDMA([0x12, 0, 0, 0, 5], [(self.data, 6), (self.data, 2)])
            self.expectDone(m, bm: 5)
            m.packetDMA([0x12, 0, 0, 0, 5], [(self.data, 4)])
            XCTAssertEqual([m.bmStatus, m.alternateStatus, m.reason], [0, 0x50, 3])
            m.sample("answer", answer)
        }
    }

    func testTheCommandWaitsForStart() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.setTable([(data, 2048)])
            m.packet(Machine.read10(4, count: 1), isDMA: true)
            XCTAssertEqual([m.alternateStatus, m.reason, m.bmStatus], [0x58, 2, 0])
            XCTAssertFalse(m.irq)
            m.start(toMemory: true)
            m.settle()
            expectDone(m)
            XCTAssertEqual(m.bytes(at: data, count: 2048), Self.content(block: 4))
            // A second START moves nothing.
            m.write([UInt8](repeating: 0, count: 2048), at: data)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.bytes(at: data, count: 2048), [UInt8](repeating: 0, count: 2048))
        }
    }

    func testADirectionBitOfNoUse() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packetDMA(Machine.read10(4, count: 1), [(data, 2048)], toMemory: false)
            expectDone(m)
            XCTAssertEqual(m.bytes(at: data, count: 2048), Self.content(block: 4))
        }
    }

    func testAnswersWithoutDataLeaveTheBusMasterAlone() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.packetDMA([0x00], [(data, 2048)], startsFirst: true)
            expectDone(m, bm: 5)
            m.stop()
            XCTAssertEqual(m.bmStatus, 4)
            m.packetDMA([0xFE], [(data, 2048)])
            XCTAssertEqual(m.bmStatus & 6, 4)
            m.stop()
            m.expectFailure(5, 0x2000)
        }
    }

    func testModeSelectByDMA() throws {
        try forEachCD { m in
            let list: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0x01, 6, 0x20, 9, 0, 0, 0, 0]
            m.write(list, at: self.data)
            m.packetDMA(
                [0x55, 0x10, 0, 0, 0, 0, 0, 0, 16], [(self.data, 6), (self.data + 6, 10)],
                toMemory: false)
            self.expectDone(m)
            let page = m.dataIn([0x5A, 0, 0x01, 0, 0, 0, 0, 0, 255])
            XCTAssertEqual(Array(page[8...]), [0x01, 6, 0x20, 9, 0, 0, 0, 0])
            m.sample("page", page)
        }
    }

    func testFaultsOfMemory() throws {
        try forEachCD { m in
            // Behind the end of memory, for blocks and for an answer.
            for packet in [Machine.read10(0, count: 1), Machine.readCD(0, count: 1, 0xF8)] {
                m.packetDMA(packet, [(self.data, 1024), (0x8000_0000, 2048)])
                XCTAssertEqual(m.bmStatus, 6)
                m.expectAbort()
                XCTAssertEqual(m.takeSense(), SenseKeyCode(0, 0))
                m.sample("hole")
            }
            // A table that is nowhere.
            m.stop()
            m.outb(Machine.busMaster + 2, 6)
            m.controller.writePort(Machine.busMaster + 4, width: 4, value: 0x8000_0000)
            m.givePacket(Machine.read10(0, count: 1), isDMA: true)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.bmStatus, 6)
            m.expectAbort()
            m.sample("no table")
        }
    }

    func testStopDoesNotWaitAndTheCommandEndsAsUsual() throws {
        for packet in [Machine.read10(8, count: 4), Machine.readCD(8, count: 4, 0x10)] {
            try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) { m in
                let hold = m.faults.add(.init(.hold, operations: [.read]))
                m.setTable([(data, 8192)])
                m.givePacket(packet, isDMA: true)
                m.start(toMemory: true)
                XCTAssertEqual(m.alternateStatus, 0xD0)
                m.stop()
                XCTAssertEqual([m.alternateStatus, m.bmStatus], [0xD0, 0])
                m.faults.remove(hold)
                m.faults.release()
                m.settle()
                expectDone(m)
                XCTAssertEqual(m.bytes(at: data, count: 8192), Self.content(block: 8, count: 4))
            }
        }
    }

    func testStopBetweenPiecesAborts() throws {
        // Raw sectors go 33 at a time.
        try forEachCD(over: MachineConfiguration.engines.filter { $0.bounce != .forced }) { m in
            let hold = m.faults.add(.init(.hold, operations: [.read]))
            m.setTable(table(100 * 2352, sizes: [0x8000]))
            m.givePacket(Machine.readCD(0, count: 100, 0xF8), isDMA: true)
            m.start(toMemory: true)
            m.stop()
            m.faults.remove(hold)
            m.faults.release()
            m.settle()
            XCTAssertEqual(m.bmStatus, 4)
            m.expectAbort()
        }
    }

    /// What an earlier command has moved through the drive's buffer says nothing about a piece that goes
    /// without it.
    func testNothingMovesForADiscThatIsGone() throws {
        for configuration in MachineConfiguration.inPieces {
            let m = try cdMachine(configuration)
            m.packetDMA([0x12, 0, 0, 0, 36], [(data, 36)])
            expectDone(m)
            let before = [UInt8](repeating: 0xE7, count: 2048)
            m.write(before, at: data)
            let hold = m.faults.add(.init(.hold, operations: [.read]))
            m.packetDMA(Machine.read10(8, count: 1), [(data, 2048)], settles: false)
            try m.controller.eject(.primaryMaster)
            m.faults.remove(hold)
            m.faults.release()
            m.settle()
            m.expectFailure(2, 0x3A00)
            XCTAssertEqual(m.bytes(at: data, count: 2048), before, "\(configuration)")
        }
    }

    func testSRSTDisarms() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            m.setTable([(data, 2048)])
            m.packet(Machine.read10(4, count: 1), isDMA: true)
            m.control(4)
            m.control(0)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.bytes(at: data, count: 2048), [UInt8](repeating: 0, count: 2048))
            XCTAssertFalse(m.irq)
        }
    }

    func testReadCopiesNothing() throws {
        try forEachCD(over: [.one]) { m in
            let queue = try XCTUnwrap(m.controller.primary.drives[0].queue)
            let entries = (0..<32).map { (address: data + UInt32($0) * 8192, size: 4096) }
            m.packetDMA(Machine.read10(0, count: 64), entries)
            expectDone(m)
            XCTAssertEqual(m.controller.dmaStatistics[0].directBytes, 131072)
            XCTAssertEqual(m.controller.dmaStatistics[0].bouncedBytes, 0)
            XCTAssertEqual(queue.statistics.directBytes, 131072)
            XCTAssertEqual(queue.statistics.bouncedBytes, 0)
            XCTAssertEqual(queue.statistics.kernelRequests, 1)
            XCTAssertEqual(
                entries.flatMap { m.bytes(at: $0.address, count: 4096) },
                Self.content(block: 0, count: 64))
        }
    }

    /// A disk and a CD drive on one channel: each is charged with what it has moved itself.
    func testBytesAreChargedToTheirDrive() throws {
        for bounce in [MachineConfiguration.Bounce.usual, .forced] {
            var configuration = MachineConfiguration.one
            configuration.bounce = bounce
            let m = try machine(configuration)
            try m.attachCD(Self.plainPath(1), to: .primarySlave)
            m.transfer(0xC8, lba: 9, count: 8, [(Machine.data, 4096)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.stop()
            m.outb(Machine.busMaster + 2, 6)
            m.setTable([(Machine.data, 6144)])
            m.outb(0x1F6, 0xB0)
            m.outb(0x1F1, 1)
            m.outb(0x1F7, 0xA0)
            m.writeData(Machine.read10(7, count: 3) + [0, 0, 0])
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            let moved = [IDESlot.primaryMaster, .primarySlave].map(m.controller.dmaBytes)
            XCTAssertEqual(moved.map { bounce == .forced ? $0.bounced : $0.direct }, [4096, 6144])
            XCTAssertEqual(moved.map { bounce == .forced ? $0.direct : $0.bounced }, [0, 0])
        }
    }
}
