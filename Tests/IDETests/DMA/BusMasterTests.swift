import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": registers, table sizes, orders.
final class BusMasterTests: IDETestCase {
    private let bm = TestMachine.busMaster

    func testRegisters() throws {
        try forEachMachine { machine in
            machine.outb(bm, 0xFE)
            XCTAssertEqual(machine.inb(bm), 8, "bits 3 and 0")
            machine.outb(bm, 0)
            XCTAssertEqual([machine.inb(bm + 1), machine.inb(bm + 3)], [0xFF, 0xFF])
            machine.controller.writePort(bm + 4, width: 4, value: 0x1234_5677)
            XCTAssertEqual(machine.controller.readPort(bm + 4, width: 4), 0x1234_5674)
            machine.controller.writePort(bm + 6, width: 2, value: 0xABCD)
            XCTAssertEqual(machine.controller.readPort(bm + 4, width: 4), 0xABCD_5674)
            XCTAssertEqual(machine.controller.readPort(bm + 6, width: 2), 0xABCD)
            machine.outb(bm + 5, 0x99)
            XCTAssertEqual((4...7).map { machine.inb(bm + $0) }, [0x74, 0x99, 0xCD, 0xAB])
            machine.outb(bm + 4, 0xFF)
            XCTAssertEqual(machine.inb(bm + 4), 0xFC)
            XCTAssertEqual(machine.controller.readPort(bm, width: 4), 0xFF00_FF00)
            machine.sample("done")
        }
    }

    func testStatusWrites() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.outb(bm + 2, 0xFF)
            XCTAssertEqual(machine.bmStatus, 0x60, "the drive bits keep what is written")
            machine.outb(bm + 2, 0x20)
            XCTAssertEqual(machine.bmStatus, 0x20)
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual(machine.bmStatus, 0x24)
            machine.outb(bm + 2, 0x40)
            XCTAssertEqual(machine.bmStatus, 0x44, "0 clears nothing")
            machine.start(toMemory: true)
            XCTAssertEqual(machine.bmStatus, 0x45)
            machine.outb(bm + 2, 0x04)
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.active, "ACTIVE is not written")
            machine.stop()
            machine.outb(bm + 2, 0x01)
            XCTAssertEqual(machine.bmStatus, 0)
        }
    }

    /// Reads and writes, commands of all widths; tables that are exact, longer and shorter.
    func testTableSizes() throws {
        try forEachMachine { machine in
            for opcode: UInt8 in [
                Opcode.readDMA, Opcode.readDMANoRetry, Opcode.readDMAExt, Opcode.writeDMA,
                Opcode.writeDMANoRetry, Opcode.writeDMAExt, Opcode.writeDMAFUAExt,
            ] {
                var sizes: [(Int, UInt8)] = [(4096, 4), (4098, 5), (4094, 0)]
                if opcode == Opcode.readDMA || opcode == Opcode.writeDMA {
                    sizes += [(8192, 5), (512, 0)]
                }
                for (size, expected) in sizes {
                    try checkTable(machine, opcode, size: size, expected: expected)
                }
            }
        }
    }

    private func checkTable(
        _ machine: TestMachine, _ opcode: UInt8, size: Int, expected: UInt8
    ) throws {
        let isRead = [0xC8, 0xC9, 0x25].contains(opcode)
        let name = "\(hex(opcode)) \(size)"
        let data = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 3 &+ size &+ Int(opcode)) }
        let beyond = [UInt8](repeating: 0x11, count: 4096)
        machine.write(data, at: TestMachine.data)
        machine.write(beyond, at: TestMachine.data + 4096)
        let before = try machine.medium(sector: 64, count: 8)
        machine.stop()
        machine.outb(bm + 2, 6)
        machine.setTable([(TestMachine.data, 2), (TestMachine.data + 2, size - 2)])
        if [0x25, 0x35, 0x3D].contains(opcode) {
            machine.command48(opcode, lba: 64, count: 8)
        } else {
            machine.command28(opcode, lba: 64, count: 8)
        }
        machine.start(toMemory: isRead)
        machine.settle()
        let memory = machine.bytes(at: TestMachine.data, count: 8192)
        machine.sample(name, memory)
        let isMoved = expected != 0
        XCTAssertEqual(machine.bmStatus, expected, name)
        XCTAssertEqual(machine.irq, isMoved, name)
        XCTAssertEqual(machine.status, DriveStatus.idle, name)
        XCTAssertEqual(machine.count, isMoved ? 0 : 8, name)
        XCTAssertEqual(machine.lba28, isMoved ? 72 : 64, name)
        XCTAssertEqual(memory, (isMoved && isRead ? before : data) + beyond, name)
        XCTAssertEqual(
            try machine.medium(sector: 64, count: 8), isMoved && !isRead ? data : before, name)
        machine.stop()
        XCTAssertEqual(machine.bmStatus, expected & 4, name)
    }

    func testStartBeforeTheCommand() throws {
        try forEachMachine { machine in
            machine.setTable([(TestMachine.data, 1024)])
            machine.start(toMemory: true)
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.active)
            machine.sample("started")
            machine.command28(Opcode.readDMA, lba: 9, count: 2)
            machine.settle()
            machine.sample("done")
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 1024), Self.content(sector: 9, count: 2))
        }
    }

    func testCommandBeforeStart() throws {
        try forEachMachine { machine in
            machine.setTable([(TestMachine.data, 1024)])
            machine.command28(Opcode.readDMA, lba: 9, count: 2)
            XCTAssertEqual([machine.status, machine.bmStatus], [DriveStatus.wantsData, 0])
            XCTAssertFalse(machine.controller.isBusy)
            machine.sample("armed")
            machine.start(toMemory: true)
            machine.settle()
            machine.sample("done")
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
        }
    }

    func testStartTwiceRunsOnce() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            machine.transfer(Opcode.readDMA, lba: 9, count: 2, [(TestMachine.data, 1024)])
            machine.write([1, 2, 3], at: TestMachine.data)
            let reads = disk.queue.statistics.reads.operations
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(disk.queue.statistics.reads.operations, reads)
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt, "no new edge")
            machine.stop()
            machine.start(toMemory: true)
            XCTAssertFalse(machine.controller.isBusy)
            XCTAssertEqual(
                machine.bmStatus, BusMasterStatus.activeAndInterrupt, "started, and no command")
            XCTAssertEqual(machine.bytes(at: TestMachine.data, count: 3), [1, 2, 3])
            machine.sample("done")
        }
    }

    func testTheCommandDecidesTheDirection() throws {
        try forEachMachine { machine in
            machine.write([UInt8](repeating: 0x42, count: 512), at: TestMachine.data)
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.writeDMA, lba: 9, count: 1)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
            XCTAssertEqual(
                try machine.medium(sector: 9, count: 1), [UInt8](repeating: 0x42, count: 512))
            machine.stop()
            machine.command28(Opcode.readDMA, lba: 10, count: 1)
            machine.start(toMemory: false)
            machine.settle()
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 512), Self.content(sector: 10))
            machine.sample("done")
        }
    }

    func testNIENKeepsTheInterruptBitAt0() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.control(2)
            machine.transfer(Opcode.readDMA, lba: 0, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual([machine.bmStatus, machine.alternateStatus], [0, DriveStatus.idle])
            machine.control(0)
            XCTAssertEqual(machine.bmStatus, 0)
            XCTAssertFalse(machine.irq)
        }
    }

    func testOnlyWrittenPagesAreDirty() throws {
        try forEachMachine { machine in
            machine.setTable([(TestMachine.data + 4000, 200), (TestMachine.data + 0x5000, 312)])
            _ = machine.takeDirtyPages()
            machine.command28(Opcode.readDMA, lba: 0, count: 1)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.takeDirtyPages(), [0x100, 0x101, 0x105])
            machine.transfer(Opcode.writeDMA, lba: 0, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(machine.takeDirtyPages(), [1], "the table, written by the test")
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("done")
        }
    }
}
