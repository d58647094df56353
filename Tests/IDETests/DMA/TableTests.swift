import BlockIO
import GuestMemory
import IDE
import XCTest

/// docs/ide-rules.md, "Bus master": the descriptor table and the memory it names.
final class TableTests: IDETestCase {
    private func expectFault(_ m: Machine, _ name: String = "", line: UInt = #line) {
        XCTAssertEqual(m.bmStatus, 6, name, line: line)
        XCTAssertTrue(m.irq, name, line: line)
        XCTAssertEqual([m.status, m.error], [0x41, 4], name, line: line)
        m.outb(Machine.busMaster + 2, 6)
    }

    func testSize0Is64KiBAndBit0OfAnAddressIs0() throws {
        try forEachMachine { m in
            m.transfer(0xC8, lba: 0, count: 128, [(Machine.data | 1, 65536)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(
                m.bytes(at: Machine.data, count: 65536), Self.content(sector: 0, count: 128))
            // Bit 0 of a size does not count either.
            m.transfer(0xC8, lba: 4, count: 1, [(Machine.data, 513)])
            XCTAssertEqual(m.bmStatus, 4)
            m.sample("done", m.bytes(at: Machine.data, count: 4096))
        }
    }

    func testPiecesOfAnySize() throws {
        try forEachMachine { m in
            var entries: [(address: UInt32, size: Int)] = []
            var expected = Self.content(sector: 100, count: 8)[...]
            var place = Machine.data + 2
            for size in [2, 510, 300, 4, 1024, 6, 250, 2000] {
                entries.append((place, size))
                place += UInt32(size) + 6
            }
            m.transfer(0xC8, lba: 100, count: 8, entries)
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            for entry in entries {
                XCTAssertEqual(
                    m.bytes(at: entry.address, count: entry.size),
                    Array(expected.prefix(entry.size)))
                expected = expected.dropFirst(entry.size)
            }
            m.transfer(0xCA, lba: 200, count: 8, entries)
            XCTAssertEqual(
                try m.medium(sector: 200, count: 8), Self.content(sector: 100, count: 8))
            m.sample("done", m.bytes(at: Machine.data, count: 8192))
        }
    }

    func testATableWithoutEndIsOverAfter4096Bytes() throws {
        try forEachMachine { m in
            let entries = (0..<520).map { (address: Machine.data + UInt32($0) * 512, size: 512) }
            // 512 entries of 512 bytes are 512 sectors.
            m.setTable(entries, isEnded: false)
            m.command48(0x25, lba: 0, count: 512)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.stop()
            m.outb(Machine.busMaster + 2, 6)
            m.command48(0x25, lba: 0, count: 513)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [0, 0x50], "too short")
            m.sample("done")
        }
    }

    func testTheEndMarkEndsTheTable() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.setTable([(Machine.data, 512)])
            m.write([0, 0, 0x20, 0, 0, 2, 0, 0x80], at: Machine.table + 8)
            m.command28(0xC8, lba: 0, count: 2)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [0, 0x50])
        }
    }

    func testTablesCrossPagesAnd64KiB() throws {
        try forEachMachine { m in
            for table: UInt32 in [0xFFFC, 0x1FFF8, 0x2FF4, 0x10000 - 40] {
                // More than are read at a time.
                let entries = (0..<80).map {
                    (address: Machine.data + UInt32($0) * 0x1000, size: 512)
                }
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                m.setTable(entries, at: table)
                m.command28(0xC8, lba: 30, count: 80)
                m.start(toMemory: true)
                m.settle()
                XCTAssertEqual([m.bmStatus, m.status], [4, 0x50], hex(table))
                XCTAssertEqual(
                    m.bytes(at: Machine.data + 79 * 0x1000, count: 512), Self.content(sector: 109))
            }
            m.sample("done")
        }
    }

    func testATableThatEndsWithTheMemory() throws {
        try forEachMachine { m in
            m.setTable([(Machine.data, 512)], at: UInt32(Machine.memorySize) - 8)
            m.command28(0xC8, lba: 1, count: 1)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.sample("done")
            m.stop()
            m.setTable([(Machine.data, 512)], isEnded: false, at: UInt32(Machine.memorySize) - 8)
            m.command28(0xC8, lba: 1, count: 1)
            m.start(toMemory: true)
            m.settle()
            m.sample("without end")
            expectFault(m, "the second entry is in a hole")
        }
    }

    /// A read of registers can have effects: none is read for what may come behind the table.
    func testATableThatEndsBeforeRegisters() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let device = FuzzDevice(.plain)
            let end = UInt32(Machine.memorySize)
            try m.space.map(.mmio(device, size: 4096), at: GuestAddress(end))
            for count in [1, 40] {
                m.stop()
                m.setTable(
                    (0..<count).map { (Machine.data + UInt32($0) * 512, 512) },
                    at: end - UInt32(count) * 8)
                m.command28(0xC8, lba: 1, count: UInt8(count))
                m.start(toMemory: true)
                m.settle()
                XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
                XCTAssertEqual(
                    m.bytes(at: Machine.data, count: count * 512),
                    Self.content(sector: 1, count: count))
                XCTAssertEqual(device.accesses, 0)
                m.outb(Machine.busMaster + 2, 6)
            }
            // One that goes on there is read there.
            m.stop()
            m.setTable([(Machine.data, 512)], isEnded: false, at: end - 8)
            m.command28(0xC8, lba: 1, count: 2)
            m.start(toMemory: true)
            m.settle()
            XCTAssertGreaterThan(device.accesses, 0)
        }
    }

    func testRewritingATableInFlightChangesNothing() throws {
        try forEachMachine { m in
            let hold = m.faults.add(.init(.hold))
            m.setTable([(Machine.data, 4096)])
            m.command28(0xC8, lba: 1, count: 8)
            m.start(toMemory: true)
            m.setTable([(0x8000_0000, 4096)])
            m.faults.remove(hold)
            m.faults.release()
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(
                m.bytes(at: Machine.data, count: 4096), Self.content(sector: 1, count: 8))
            m.sample("done")
        }
    }

    func testHoles() throws {
        try forEachMachine { m in
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.transfer(opcode, lba: 5, count: 2, [(Machine.data, 512), (0x8000_0000, 512)])
                m.sample("buffer", m.bytes(at: Machine.data, count: 512))
                expectFault(m, "buffer, \(hex(opcode))")
                m.transfer(opcode, lba: 5, count: 2, [(UInt32(Machine.memorySize) - 512, 1024)])
                expectFault(m, "across the end, \(hex(opcode))")
                m.transfer(opcode, lba: 5, count: 2, [(0xFFFF_FE00, 1024)])
                expectFault(m, "beyond 4 GiB, \(hex(opcode))")
                m.stop()
                m.controller.writePort(Machine.busMaster + 4, width: 4, value: 0x8000_0000)
                m.command28(opcode, lba: 5, count: 2)
                m.start(toMemory: opcode == 0xC8)
                m.settle()
                m.sample("table")
                expectFault(m, "table, \(hex(opcode))")
            }
            XCTAssertEqual(try m.medium(sector: 5, count: 2), Self.content(sector: 5, count: 2))
            // What a command does not need may lead anywhere.
            m.transfer(0xC8, lba: 5, count: 1, [(Machine.data, 512), (0x8000_0000, 512)])
            XCTAssertEqual([m.bmStatus, m.status], [5, 0x50])
        }
    }

    func testBusMasteringDisabled() throws {
        try forEachMachine { m in
            m.setTable([(Machine.data, 512)])
            m.enable(1)
            m.command28(0xC8, lba: 5, count: 1)
            XCTAssertEqual(m.alternateStatus, 0x58)
            m.start(toMemory: true)
            m.settle()
            m.sample("off")
            expectFault(m)
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), [UInt8](repeating: 0, count: 512))
            m.enable(5)
            m.transfer(0xC8, lba: 5, count: 1, [(Machine.data, 512)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
        }
    }

    func testReadIntoROMIsDropped() throws {
        try forEachMachine { m in
            let rom = try GuestRAM(size: 8192)
            try m.space.map(.rom(rom), at: 0x20_0000, priority: 1)
            m.transfer(
                0xC8, lba: 5, count: 3, [(0x20_0000, 512), (Machine.data, 512), (0x20_0200, 512)])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(m.bytes(at: 0x20_0000, count: 1024), [UInt8](repeating: 0, count: 1024))
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), Self.content(sector: 6))
            m.transfer(0xCA, lba: 5, count: 1, [(0x20_0000, 512)])
            XCTAssertEqual(try m.medium(sector: 5, count: 1), [UInt8](repeating: 0, count: 512))
            m.sample("done")
        }
    }

    func testDeviceMemoryBounces() throws {
        try forEachMachine { m in
            let device = ByteDevice(size: 4096)
            try m.space.map(.mmio(device, size: 4096), at: 0x20_0000, priority: 1)
            m.transfer(
                0xC8, lba: 5, count: 10,
                [
                    (0x20_0000, 4096), (Machine.data, 300), (0x20_0010, 212),
                    (Machine.data + 300, 512),
                ])
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            let content = Self.content(sector: 5, count: 10)
            XCTAssertEqual(m.bytes(at: Machine.data, count: 300), Array(content[4096..<4396]))
            XCTAssertEqual(m.bytes(at: Machine.data + 300, count: 512), Array(content[4608..<5120]))
            XCTAssertEqual(Array(device.content[0x10..<0x10 + 212]), Array(content[4396..<4608]))
            m.sample("read", device.content)
            m.transfer(0xCA, lba: 50, count: 8, [(0x20_0000, 4096)])
            XCTAssertEqual(try m.medium(sector: 50, count: 8), device.content)
            m.sample("written")
        }
    }

    func testWhereEntriesOverlapTheLaterWins() throws {
        try forEachMachine { m in
            m.transfer(
                0xC8, lba: 5, count: 3,
                [(Machine.data, 512), (Machine.data + 256, 512), (Machine.data, 512)])
            let content = Self.content(sector: 5, count: 3)
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), Array(content[1024..<1536]))
            XCTAssertEqual(m.bytes(at: Machine.data + 512, count: 256), Array(content[768..<1024]))
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            m.sample("done", m.bytes(at: Machine.data, count: 1024))
        }
    }

    func testResolvers() throws {
        let path = try Self.plainPath(0)
        try compare(
            over: MachineConfiguration.engines,
            with: machines(with: path, resolvers: [Shift(by: 0x10_0000, limit: 0x20_0000)])
        ) { m in
            // The device sees memory 1 MiB further down, the table too.
            func transfer(_ address: UInt32, table: UInt32 = 0x1000) {
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                m.setTable([(address, 1024)], at: 0x10_1000)
                m.controller.writePort(Machine.busMaster + 4, width: 4, value: table)
                m.command28(0xC8, lba: 5, count: 2)
                m.start(toMemory: true)
                m.settle()
            }
            transfer(0x1_0000)
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(m.bytes(at: 0x11_0000, count: 1024), Self.content(sector: 5, count: 2))
            transfer(0x1F_FE00)
            expectFault(m, "a fault of the resolver")
            transfer(0x1_0000, table: 0x30_0000)
            expectFault(m, "a table that is not translated")
        }
    }
}
