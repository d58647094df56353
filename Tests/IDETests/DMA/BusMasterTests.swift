import GuestMemory
import IDE
import XCTest

/// docs/ide-rules.md, "Bus master": registers, table sizes, orders.
final class BusMasterTests: IDETestCase {
    private let bm = Machine.busMaster

    func testRegisters() throws {
        try forEachMachine { m in
            m.outb(bm, 0xFE)
            XCTAssertEqual(m.inb(bm), 8, "bits 3 and 0")
            m.outb(bm, 0)
            XCTAssertEqual([m.inb(bm + 1), m.inb(bm + 3)], [0xFF, 0xFF])
            m.controller.writePort(bm + 4, width: 4, value: 0x1234_5677)
            XCTAssertEqual(m.controller.readPort(bm + 4, width: 4), 0x1234_5674)
            m.controller.writePort(bm + 6, width: 2, value: 0xABCD)
            XCTAssertEqual(m.controller.readPort(bm + 4, width: 4), 0xABCD_5674)
            XCTAssertEqual(m.controller.readPort(bm + 6, width: 2), 0xABCD)
            m.outb(bm + 5, 0x99)
            XCTAssertEqual((4...7).map { m.inb(bm + $0) }, [0x74, 0x99, 0xCD, 0xAB])
            m.outb(bm + 4, 0xFF)
            XCTAssertEqual(m.inb(bm + 4), 0xFC)
            XCTAssertEqual(m.controller.readPort(bm, width: 4), 0xFF00_FF00)
            m.sample("done")
        }
    }

    func testStatusWrites() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.outb(bm + 2, 0xFF)
            XCTAssertEqual(m.bmStatus, 0x60, "the drive bits keep what is written")
            m.outb(bm + 2, 0x20)
            XCTAssertEqual(m.bmStatus, 0x20)
            m.command28(0xE5)
            XCTAssertEqual(m.bmStatus, 0x24)
            m.outb(bm + 2, 0x40)
            XCTAssertEqual(m.bmStatus, 0x44, "0 clears nothing")
            m.start(toMemory: true)
            XCTAssertEqual(m.bmStatus, 0x45)
            m.outb(bm + 2, 0x04)
            XCTAssertEqual(m.bmStatus, 0x01, "ACTIVE is not written")
            m.stop()
            m.outb(bm + 2, 0x01)
            XCTAssertEqual(m.bmStatus, 0)
        }
    }

    /// Reads and writes, commands of all widths; tables that are exact, longer and shorter.
    func testTableSizes() throws {
        try forEachMachine { m in
            for opcode: UInt8 in [0xC8, 0xC9, 0x25, 0xCA, 0xCB, 0x35, 0x3D] {
                var sizes: [(Int, UInt8)] = [(4096, 4), (4098, 5), (4094, 0)]
                if opcode == 0xC8 || opcode == 0xCA { sizes += [(8192, 5), (512, 0)] }
                for (size, expected) in sizes {
                    try checkTable(m, opcode, size: size, expected: expected)
                }
            }
        }
    }

    private func checkTable(
        _ m: Machine, _ opcode: UInt8, size: Int, expected: UInt8
    ) throws {
        let isRead = [0xC8, 0xC9, 0x25].contains(opcode)
        let name = "\(hex(opcode)) \(size)"
        let data = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 3 &+ size &+ Int(opcode)) }
        let beyond = [UInt8](repeating: 0x11, count: 4096)
        m.write(data, at: Machine.data)
        m.write(beyond, at: Machine.data + 4096)
        let before = try m.medium(sector: 64, count: 8)
        m.stop()
        m.outb(bm + 2, 6)
        m.setTable([(Machine.data, 2), (Machine.data + 2, size - 2)])
        if [0x25, 0x35, 0x3D].contains(opcode) {
            m.command48(opcode, lba: 64, count: 8)
        } else {
            m.command28(opcode, lba: 64, count: 8)
        }
        m.start(toMemory: isRead)
        m.settle()
        let memory = m.bytes(at: Machine.data, count: 8192)
        m.sample(name, memory)
        let isMoved = expected != 0
        XCTAssertEqual(m.bmStatus, expected, name)
        XCTAssertEqual(m.irq, isMoved, name)
        XCTAssertEqual(m.status, 0x50, name)
        XCTAssertEqual(m.count, isMoved ? 0 : 8, name)
        XCTAssertEqual(m.lba28, isMoved ? 72 : 64, name)
        XCTAssertEqual(memory, (isMoved && isRead ? before : data) + beyond, name)
        XCTAssertEqual(
            try m.medium(sector: 64, count: 8), isMoved && !isRead ? data : before, name)
        m.stop()
        XCTAssertEqual(m.bmStatus, expected & 4, name)
    }

    func testStartBeforeTheCommand() throws {
        try forEachMachine { m in
            m.setTable([(Machine.data, 1024)])
            m.start(toMemory: true)
            XCTAssertEqual(m.bmStatus, 1)
            m.sample("started")
            m.command28(0xC8, lba: 9, count: 2)
            m.settle()
            m.sample("done")
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(
                m.bytes(at: Machine.data, count: 1024), Self.content(sector: 9, count: 2))
        }
    }

    func testCommandBeforeStart() throws {
        try forEachMachine { m in
            m.setTable([(Machine.data, 1024)])
            m.command28(0xC8, lba: 9, count: 2)
            XCTAssertEqual([m.status, m.bmStatus], [0x58, 0])
            XCTAssertFalse(m.controller.isBusy)
            m.sample("armed")
            m.start(toMemory: true)
            m.settle()
            m.sample("done")
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
        }
    }

    func testStartTwiceRunsOnce() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            m.transfer(0xC8, lba: 9, count: 2, [(Machine.data, 1024)])
            m.write([1, 2, 3], at: Machine.data)
            let reads = disk.queue.statistics.reads.operations
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(disk.queue.statistics.reads.operations, reads)
            XCTAssertEqual(m.bmStatus, 4, "no new edge")
            m.stop()
            m.start(toMemory: true)
            XCTAssertFalse(m.controller.isBusy)
            XCTAssertEqual(m.bmStatus, 5, "started, and no command")
            XCTAssertEqual(m.bytes(at: Machine.data, count: 3), [1, 2, 3])
            m.sample("done")
        }
    }

    func testTheCommandDecidesTheDirection() throws {
        try forEachMachine { m in
            m.write([UInt8](repeating: 0x42, count: 512), at: Machine.data)
            m.setTable([(Machine.data, 512)])
            m.command28(0xCA, lba: 9, count: 1)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(try m.medium(sector: 9, count: 1), [UInt8](repeating: 0x42, count: 512))
            m.stop()
            m.command28(0xC8, lba: 10, count: 1)
            m.start(toMemory: false)
            m.settle()
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), Self.content(sector: 10))
            m.sample("done")
        }
    }

    func testNIENKeepsTheInterruptBitAt0() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.control(2)
            m.transfer(0xC8, lba: 0, count: 1, [(Machine.data, 512)])
            XCTAssertEqual([m.bmStatus, m.alternateStatus], [0, 0x50])
            m.control(0)
            XCTAssertEqual(m.bmStatus, 0)
            XCTAssertFalse(m.irq)
        }
    }

    func testOnlyWrittenPagesAreDirty() throws {
        try forEachMachine { m in
            m.setTable([(Machine.data + 4000, 200), (Machine.data + 0x5000, 312)])
            _ = m.takeDirtyPages()
            m.command28(0xC8, lba: 0, count: 1)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.takeDirtyPages(), [0x100, 0x101, 0x105])
            m.transfer(0xCA, lba: 0, count: 1, [(Machine.data, 512)])
            XCTAssertEqual(m.takeDirtyPages(), [1], "the table, written by the test")
            XCTAssertEqual(m.status, 0x50)
            m.sample("done")
        }
    }
}
