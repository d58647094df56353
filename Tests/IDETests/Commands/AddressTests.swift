import BlockATA
import IDE
import XCTest

/// docs/ide-rules.md, "Task file": addresses, counts, what is out of range.
final class AddressTests: IDETestCase {
    private let last = UInt32(IDETestCase.sectorCount - 1)

    func testPIOReadStopsAtTheFirstSectorOutside() throws {
        try forEachMachine { m in
            m.command28(0x20, lba: last, count: 2)
            m.settle()
            XCTAssertEqual(m.readData(count: 512), Self.content(sector: UInt64(last)))
            XCTAssertEqual(m.status, 0x41)
            XCTAssertEqual(m.error, 0x10)
            XCTAssertEqual(m.lba28, last + 1)
            m.sample("beyond the end")
            m.command28(0x20, lba: 0xFFF_FFFF, count: 0)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.status, 0x41)
            XCTAssertEqual(m.error, 0x10)
            XCTAssertEqual(m.lba28, 0xFFF_FFFF)
            m.sample("far beyond")
        }
    }

    func testPIOWriteNeverLeavesTheDisk() throws {
        try forEachMachine { m in
            m.command28(0x30, lba: last, count: 2)
            m.writeData([UInt8](repeating: 0x77, count: 512))
            m.settle()
            XCTAssertTrue(m.irq)
            XCTAssertEqual([m.status, m.error], [0x41, 0x10])
            XCTAssertEqual(m.lba28, last + 1)
            XCTAssertEqual(try m.medium(sector: UInt64(last), count: 1)[0], 0x77)
            m.command28(0x30, lba: last + 1, count: 1)
            XCTAssertEqual([m.status, m.error], [0x41, 0x10])
            m.sample("beyond the end")
        }
    }

    func testDMAReportsWhenItWouldBegin() throws {
        try forEachMachine { m in
            for (opcode, lba, named) in [
                (0xC8, last, last + 1), (0xCA, last - 1, last + 1), (0xC8, 0xFFF_FFFF, 0xFFF_FFFF),
            ] as [(UInt8, UInt32, UInt32)] {
                m.stop()
                m.setTable([(Machine.data, 4 * 512)])
                m.command28(opcode, lba: lba, count: 4)
                XCTAssertEqual(m.alternateStatus, 0x58, "not before START")
                XCTAssertFalse(m.irq)
                m.start(toMemory: opcode == 0xC8)
                XCTAssertEqual(m.bmStatus, 4)
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.status, m.error], [0x41, 0x10])
                XCTAssertEqual(m.lba28, named)
                m.sample("\(hex(opcode))", try m.medium(sector: UInt64(last) - 3, count: 4))
                m.outb(Machine.busMaster + 2, 4)
            }
            XCTAssertEqual(m.takeDirtyPages().filter { $0 >= 0x100 }, [])
            XCTAssertEqual(
                try m.medium(sector: UInt64(last) - 1, count: 2),
                Self.content(sector: UInt64(last) - 1, count: 2))
        }
    }

    func testAny48BitAddress() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let addresses: [UInt64] = [
                2048, 1 << 24, 1 << 28, 1 << 32, 1 << 40, (1 << 48) - 1, (1 << 48) - 65536,
            ]
            for opcode: UInt8 in [0x24, 0x34, 0x29, 0x39, 0x42, 0x25, 0x35, 0x3D, 0xCE] {
                for lba in addresses {
                    m.stop()
                    m.setTable([UInt32](0..<512).map { (Machine.data + $0, 65536) })
                    m.command48(opcode, lba: lba, count: 0)
                    m.start(toMemory: true)
                    m.settle()
                    XCTAssertEqual(
                        [m.status, m.error], [0x41, 0x10], "\(hex(opcode)) \(hex(lba))")
                    XCTAssertEqual(m.lba48, lba)
                }
            }
            XCTAssertEqual(
                try m.medium(sector: 0, count: 2048), Self.content(sector: 0, count: 2048))
        }
    }

    func testCount0Is65536() throws {
        let directory = try TemporaryImage(size: 40 << 20)
        try compare(
            over: MachineConfiguration.engines.filter { $0.bounce == .usual },
            with: machines(with: directory.path)
        ) { m in
            m.setTable([UInt32](0..<512).map { (Machine.data + $0 % 8 * 65536, 65536) })
            m.command48(0x25, lba: 100, count: 0)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.bmStatus, 4)
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(m.lba48, 100 + 65536)
            XCTAssertEqual(m.count16, 0)
        }
    }

    func testCHS() throws {
        try forEachMachine(
            DiskOptions(geometry: DiskGeometry(cylinders: 32, heads: 4, sectors: 16))
        ) {
            m in
            // Sector (3 * 4 + 2) * 16 + 15 = 239, and across the end of a track and a cylinder.
            m.commandCHS(0x20, cylinder: 3, head: 2, sector: 16, count: 20)
            var data: [UInt8] = []
            for _ in 0..<20 {
                m.settle()
                data += m.readData(count: 512)
            }
            XCTAssertEqual(data, Self.content(sector: 239, count: 20))
            XCTAssertEqual(m.status, 0x50)
            // 259 = (4 * 4 + 0) * 16 + 3
            XCTAssertEqual([m.inb(0x1F3), m.inb(0x1F4), m.inb(0x1F5), m.device], [4, 4, 0, 0xA0])
            m.sample("PIO", data)

            m.setTable([(Machine.data, 1024)])
            m.commandCHS(0xC8, cylinder: 31, head: 3, sector: 15, count: 2)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(
                m.bytes(at: Machine.data, count: 1024), Self.content(sector: 2046, count: 2))
            m.sample("DMA")
        }
    }

    func testCHSAddressesThatAreNone() throws {
        try forEachMachine { m in
            for (head, sector) in [(0, 0), (15, 64), (0, 255)] as [(UInt8, UInt8)] {
                for opcode: UInt8 in [0x20, 0x30, 0x40, 0x70] {
                    m.commandCHS(opcode, cylinder: 0, head: head, sector: sector, count: 1)
                    XCTAssertTrue(m.irq)
                    XCTAssertEqual([m.status, m.error], [0x41, 0x10], "\(hex(opcode)) \(sector)")
                    m.sample("\(hex(opcode)) \(sector)")
                }
                m.stop()
                m.setTable([(Machine.data, 512)])
                m.commandCHS(0xC8, cylinder: 0, head: head, sector: sector, count: 1)
                m.start(toMemory: true)
                XCTAssertEqual([m.bmStatus, m.status, m.error], [4, 0x41, 0x10])
                XCTAssertEqual(m.inb(0x1F3), sector, "as it was")
                m.outb(Machine.busMaster + 2, 4)
            }
            m.command28(0x91, count: 63, device: 3)
            m.commandCHS(0x70, cylinder: 0, head: 4, sector: 1, count: 0)
            XCTAssertEqual([m.status, m.error], [0x41, 0x10], "a head too many")
            m.commandCHS(0x70, cylinder: 8, head: 0, sector: 33, count: 0)
            XCTAssertEqual([m.status, m.error], [0x41, 0x10], "a cylinder too many")
            m.commandCHS(0x70, cylinder: 8, head: 0, sector: 32, count: 0)
            XCTAssertEqual(m.status, 0x50)
        }
    }

    func testInitializeDeviceParameters() throws {
        try forEachMachine { m in
            m.command28(0x91, count: 0, device: 15)
            XCTAssertEqual([m.status, m.error], [0x41, 4])
            XCTAssertEqual(m.identify()[55], 16)
            m.outb(0x1F6, 0xA0 | 7)
            m.outb(0x1F2, 32)
            m.outb(0x1F7, 0x91)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.status, 0x50)
            let words = m.identify()
            XCTAssertEqual(Array(words[54...58]), [8, 8, 32, 2048, 0])
            XCTAssertEqual([words[1], words[3], words[6]], [2, 16, 63], "the default stays")
            m.commandCHS(0x20, cylinder: 2, head: 3, sector: 4, count: 1)
            m.settle()
            XCTAssertEqual(m.readData(count: 512), Self.content(sector: (2 * 8 + 3) * 32 + 3))
            m.sample("done")
        }
    }

    func testSeekAndVerifyCheckTheAddress() throws {
        try forEachMachine { m in
            m.command28(0x70, lba: last)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.status, 0x50)
            m.command28(0x70, lba: last + 1)
            XCTAssertEqual([m.status, m.error], [0x41, 0x10])
            m.sample("seek")
            for opcode: UInt8 in [0x40, 0x41, 0x42] {
                m.command48(opcode, lba: 0, count: 200)
                XCTAssertEqual(m.alternateStatus, 0xD0, "it takes the medium")
                m.settle()
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.status, 0x50)
                m.sample("\(hex(opcode)) inside")
                m.command48(opcode, lba: UInt64(last) - 2, count: 4)
                m.settle()
                XCTAssertEqual([m.status, m.error], [0x41, 0x10])
                XCTAssertEqual(m.lba28, last + 1)
                m.sample("\(hex(opcode)) outside")
            }
        }
    }

    func testVerifyReadsTheMedium() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            let before = disk.queue.statistics.reads.bytes
            m.command28(0x40, lba: 256, count: 0)
            m.settle()
            XCTAssertGreaterThanOrEqual(disk.queue.statistics.reads.bytes - before, 256 * 512)
            XCTAssertEqual(m.status, 0x50)
            m.faults.add(.init(.error(EIO), range: 400 * 512..<401 * 512, count: 1))
            m.command28(0x40, lba: 256, count: 0)
            m.settle()
            XCTAssertEqual([m.status, m.error], [0x41, 0x40])
            XCTAssertGreaterThanOrEqual(m.lba28, 256)
            XCTAssertLessThanOrEqual(m.lba28, 400)
        }
    }
}
