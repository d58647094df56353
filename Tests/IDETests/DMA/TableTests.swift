import BlockIO
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": the descriptor table and the memory it names.
final class TableTests: IDETestCase {
    private func expectFault(_ machine: TestMachine, _ name: String = "", line: UInt = #line) {
        XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError, name, line: line)
        XCTAssertTrue(machine.irq, name, line: line)
        XCTAssertEqual(
            [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted], name,
            line: line)
        machine.clearBusMasterStatus()
    }

    func testSize0Is64KiBAndBit0OfAnAddressIs0() throws {
        try forEachMachine { machine in
            machine.transfer(Opcode.readDMA, lba: 0, count: 128, [(TestMachine.data | 1, 65536)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 65536),
                Self.content(sector: 0, count: 128))
            // Bit 0 of a size does not count either.
            machine.transfer(Opcode.readDMA, lba: 4, count: 1, [(TestMachine.data, 513)])
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.sample("done", machine.bytes(at: TestMachine.data, count: 4096))
        }
    }

    func testPiecesOfAnySize() throws {
        try forEachMachine { machine in
            var entries: [(address: UInt32, size: Int)] = []
            var expected = Self.content(sector: 100, count: 8)[...]
            var place = TestMachine.data + 2
            for size in [2, 510, 300, 4, 1024, 6, 250, 2000] {
                entries.append((place, size))
                place += UInt32(size) + 6
            }
            machine.transfer(Opcode.readDMA, lba: 100, count: 8, entries)
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            for entry in entries {
                XCTAssertEqual(
                    machine.bytes(at: entry.address, count: entry.size),
                    Array(expected.prefix(entry.size)))
                expected = expected.dropFirst(entry.size)
            }
            machine.transfer(Opcode.writeDMA, lba: 200, count: 8, entries)
            XCTAssertEqual(
                try machine.medium(sector: 200, count: 8), Self.content(sector: 100, count: 8))
            machine.sample("done", machine.bytes(at: TestMachine.data, count: 8192))
        }
    }

    func testATableWithoutEndIsOverAfter4096Bytes() throws {
        try forEachMachine { machine in
            let entries = (0..<520).map {
                (address: TestMachine.data + UInt32($0) * 512, size: 512)
            }
            // 512 entries of 512 bytes are 512 sectors.
            machine.setTable(entries, isEnded: false)
            machine.command48(Opcode.readDMAExt, lba: 0, count: 512)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.stop()
            machine.clearBusMasterStatus()
            machine.command48(Opcode.readDMAExt, lba: 0, count: 513)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual([machine.bmStatus, machine.status], [0, DriveStatus.idle], "too short")
            machine.sample("done")
        }
    }

    func testTheEndMarkEndsTheTable() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.setTable([(TestMachine.data, 512)])
            machine.write([0, 0, 0x20, 0, 0, 2, 0, 0x80], at: TestMachine.table + 8)
            machine.command28(Opcode.readDMA, lba: 0, count: 2)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual([machine.bmStatus, machine.status], [0, DriveStatus.idle])
        }
    }

    func testTablesCrossPagesAnd64KiB() throws {
        try forEachMachine { machine in
            for table: UInt32 in [0xFFFC, 0x1FFF8, 0x2FF4, 0x10000 - 40] {
                // More than are read at a time.
                let entries = (0..<80).map {
                    (address: TestMachine.data + UInt32($0) * 0x1000, size: 512)
                }
                machine.stop()
                machine.clearBusMasterStatus()
                machine.setTable(entries, at: table)
                machine.command28(Opcode.readDMA, lba: 30, count: 80)
                machine.start(toMemory: true)
                machine.settle()
                XCTAssertEqual(
                    [machine.bmStatus, machine.status],
                    [BusMasterStatus.interrupt, DriveStatus.idle], hex(table))
                XCTAssertEqual(
                    machine.bytes(at: TestMachine.data + 79 * 0x1000, count: 512),
                    Self.content(sector: 109))
            }
            machine.sample("done")
        }
    }

    func testATableThatEndsWithTheMemory() throws {
        try forEachMachine { machine in
            machine.setTable([(TestMachine.data, 512)], at: UInt32(TestMachine.memorySize) - 8)
            machine.command28(Opcode.readDMA, lba: 1, count: 1)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.sample("done")
            machine.stop()
            machine.setTable(
                [(TestMachine.data, 512)], isEnded: false, at: UInt32(TestMachine.memorySize) - 8)
            machine.command28(Opcode.readDMA, lba: 1, count: 1)
            machine.start(toMemory: true)
            machine.settle()
            machine.sample("without end")
            expectFault(machine, "the second entry is in a hole")
        }
    }

    /// A read of registers can have effects: none is read for what may come behind the table.
    func testATableThatEndsBeforeRegisters() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let device = FuzzDevice(.plain)
            let end = UInt32(TestMachine.memorySize)
            try machine.space.map(.mmio(device, size: 4096), at: GuestAddress(end))
            for count in [1, 40] {
                machine.stop()
                machine.setTable(
                    (0..<count).map { (TestMachine.data + UInt32($0) * 512, 512) },
                    at: end - UInt32(count) * 8)
                machine.command28(Opcode.readDMA, lba: 1, count: UInt8(count))
                machine.start(toMemory: true)
                machine.settle()
                XCTAssertEqual(
                    [machine.bmStatus, machine.status],
                    [BusMasterStatus.interrupt, DriveStatus.idle])
                XCTAssertEqual(
                    machine.bytes(at: TestMachine.data, count: count * 512),
                    Self.content(sector: 1, count: count))
                XCTAssertEqual(device.accesses, 0)
                machine.clearBusMasterStatus()
            }
            // One that goes on there is read there.
            machine.stop()
            machine.setTable([(TestMachine.data, 512)], isEnded: false, at: end - 8)
            machine.command28(Opcode.readDMA, lba: 1, count: 2)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertGreaterThan(device.accesses, 0)
        }
    }

    func testRewritingATableInFlightChangesNothing() throws {
        try forEachMachine { machine in
            let hold = machine.faults.add(.init(.hold))
            machine.setTable([(TestMachine.data, 4096)])
            machine.command28(Opcode.readDMA, lba: 1, count: 8)
            machine.start(toMemory: true)
            machine.setTable([(0x8000_0000, 4096)])
            machine.faults.remove(hold)
            machine.faults.release()
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 4096), Self.content(sector: 1, count: 8))
            machine.sample("done")
        }
    }

    func testHoles() throws {
        try forEachMachine { machine in
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.transfer(
                    opcode, lba: 5, count: 2, [(TestMachine.data, 512), (0x8000_0000, 512)])
                machine.sample("buffer", machine.bytes(at: TestMachine.data, count: 512))
                expectFault(machine, "buffer, \(hex(opcode))")
                machine.transfer(
                    opcode, lba: 5, count: 2, [(UInt32(TestMachine.memorySize) - 512, 1024)])
                expectFault(machine, "across the end, \(hex(opcode))")
                machine.transfer(opcode, lba: 5, count: 2, [(0xFFFF_FE00, 1024)])
                expectFault(machine, "beyond 4 GiB, \(hex(opcode))")
                machine.stop()
                machine.controller.writePort(
                    TestMachine.busMaster + BusMasterRegister.table, width: 4, value: 0x8000_0000)
                machine.command28(opcode, lba: 5, count: 2)
                machine.start(toMemory: opcode == Opcode.readDMA)
                machine.settle()
                machine.sample("table")
                expectFault(machine, "table, \(hex(opcode))")
            }
            XCTAssertEqual(
                try machine.medium(sector: 5, count: 2), Self.content(sector: 5, count: 2))
            // What a command does not need may lead anywhere.
            machine.transfer(
                Opcode.readDMA, lba: 5, count: 1, [(TestMachine.data, 512), (0x8000_0000, 512)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status],
                [BusMasterStatus.activeAndInterrupt, DriveStatus.idle])
        }
    }

    func testBusMasteringDisabled() throws {
        try forEachMachine { machine in
            machine.setTable([(TestMachine.data, 512)])
            machine.enable(PCICommandBits.io)
            machine.command28(Opcode.readDMA, lba: 5, count: 1)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            machine.start(toMemory: true)
            machine.settle()
            machine.sample("off")
            expectFault(machine)
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 512), [UInt8](repeating: 0, count: 512))
            machine.enable()
            machine.transfer(Opcode.readDMA, lba: 5, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
        }
    }

    func testReadIntoROMIsDropped() throws {
        try forEachMachine { machine in
            let rom = try GuestRAM(size: 8192)
            try machine.space.map(.rom(rom), at: 0x20_0000, priority: 1)
            machine.transfer(
                Opcode.readDMA, lba: 5, count: 3,
                [(0x20_0000, 512), (TestMachine.data, 512), (0x20_0200, 512)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(
                machine.bytes(at: 0x20_0000, count: 1024), [UInt8](repeating: 0, count: 1024))
            XCTAssertEqual(machine.bytes(at: TestMachine.data, count: 512), Self.content(sector: 6))
            machine.transfer(Opcode.writeDMA, lba: 5, count: 1, [(0x20_0000, 512)])
            XCTAssertEqual(
                try machine.medium(sector: 5, count: 1), [UInt8](repeating: 0, count: 512))
            machine.sample("done")
        }
    }

    func testDeviceMemoryBounces() throws {
        try forEachMachine { machine in
            let device = ByteDevice(size: 4096)
            try machine.space.map(.mmio(device, size: 4096), at: 0x20_0000, priority: 1)
            machine.transfer(
                Opcode.readDMA, lba: 5, count: 10,
                [
                    (0x20_0000, 4096), (TestMachine.data, 300), (0x20_0010, 212),
                    (TestMachine.data + 300, 512),
                ])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            let content = Self.content(sector: 5, count: 10)
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 300), Array(content[4096..<4396]))
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data + 300, count: 512), Array(content[4608..<5120]))
            XCTAssertEqual(Array(device.content[0x10..<0x10 + 212]), Array(content[4396..<4608]))
            machine.sample("read", device.content)
            machine.transfer(Opcode.writeDMA, lba: 50, count: 8, [(0x20_0000, 4096)])
            XCTAssertEqual(try machine.medium(sector: 50, count: 8), device.content)
            machine.sample("written")
        }
    }

    func testWhereEntriesOverlapTheLaterWins() throws {
        try forEachMachine { machine in
            machine.transfer(
                Opcode.readDMA, lba: 5, count: 3,
                [(TestMachine.data, 512), (TestMachine.data + 256, 512), (TestMachine.data, 512)])
            let content = Self.content(sector: 5, count: 3)
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 512), Array(content[1024..<1536]))
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data + 512, count: 256), Array(content[768..<1024]))
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            machine.sample("done", machine.bytes(at: TestMachine.data, count: 1024))
        }
    }

    func testResolvers() throws {
        let path = try Self.plainPath(0)
        try compare(
            over: MachineConfiguration.engines,
            with: machines(with: path, resolvers: [Shift(by: 0x10_0000, limit: 0x20_0000)])
        ) { machine in
            // The device sees memory 1 MiB further down, the table too.
            func transfer(_ address: UInt32, table: UInt32 = 0x1000) {
                machine.stop()
                machine.clearBusMasterStatus()
                machine.setTable([(address, 1024)], at: 0x10_1000)
                machine.controller.writePort(
                    TestMachine.busMaster + BusMasterRegister.table, width: 4, value: table)
                machine.command28(Opcode.readDMA, lba: 5, count: 2)
                machine.start(toMemory: true)
                machine.settle()
            }
            transfer(0x1_0000)
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(
                machine.bytes(at: 0x11_0000, count: 1024), Self.content(sector: 5, count: 2))
            transfer(0x1F_FE00)
            expectFault(machine, "a fault of the resolver")
            transfer(0x1_0000, table: 0x30_0000)
            expectFault(machine, "a table that is not translated")
        }
    }
}
