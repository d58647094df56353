import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": registers, table sizes, orders.
final class BusMasterTests: IDETestCase {
    private let command = TestMachine.busMaster + BusMasterRegister.command
    private let status = TestMachine.busMaster + BusMasterRegister.status
    private let table = TestMachine.busMaster + BusMasterRegister.table
    /// Bits 5 and 6 of status, which drivers set when a drive can do DMA (SFF-8038i 3.0).
    private let (masterBit, slaveBit): (UInt8, UInt8) = (0x20, 0x40)

    func testRegisters() throws {
        try forEachMachine { machine in
            machine.outb(command, ~BusMasterCommand.startReadingMemory)
            XCTAssertEqual(machine.inb(command), BusMasterCommand.stopWritingMemory, "bits 3 and 0")
            machine.outb(command, BusMasterCommand.stop)
            XCTAssertEqual([machine.inb(command + 1), machine.inb(status + 1)], [0xFF, 0xFF])
            machine.controller.writePort(table, width: 4, value: 0x1234_5677)
            XCTAssertEqual(machine.controller.readPort(table, width: 4), 0x1234_5674)
            machine.controller.writePort(table + 2, width: 2, value: 0xABCD)
            XCTAssertEqual(machine.controller.readPort(table, width: 4), 0xABCD_5674)
            XCTAssertEqual(machine.controller.readPort(table + 2, width: 2), 0xABCD)
            machine.outb(table + 1, 0x99)
            XCTAssertEqual((table...table + 3).map(machine.inb), [0x74, 0x99, 0xCD, 0xAB])
            machine.outb(table, 0xFF)
            XCTAssertEqual(machine.inb(table), 0xFC)
            XCTAssertEqual(machine.controller.readPort(command, width: 4), 0xFF00_FF00)
            machine.sample("done")
        }
    }

    func testStatusWrites() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.outb(status, 0xFF)
            XCTAssertEqual(
                machine.bmStatus, masterBit | slaveBit, "the drive bits keep what is written")
            machine.outb(status, masterBit)
            XCTAssertEqual(machine.bmStatus, masterBit)
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual(machine.bmStatus, masterBit | BusMasterStatus.interrupt)
            machine.outb(status, slaveBit)
            XCTAssertEqual(
                machine.bmStatus, slaveBit | BusMasterStatus.interrupt, "0 clears nothing")
            machine.start(toMemory: true)
            XCTAssertEqual(machine.bmStatus, slaveBit | BusMasterStatus.activeAndInterrupt)
            machine.outb(status, BusMasterStatus.interrupt)
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.active, "ACTIVE is not written")
            machine.stop()
            machine.outb(status, BusMasterStatus.active)
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
                var sizes = [
                    (4096, BusMasterStatus.interrupt), (4098, BusMasterStatus.activeAndInterrupt),
                    (4094, 0),
                ]
                if opcode == Opcode.readDMA || opcode == Opcode.writeDMA {
                    sizes += [(8192, BusMasterStatus.activeAndInterrupt), (512, 0)]
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
        let isRead = [Opcode.readDMA, Opcode.readDMANoRetry, Opcode.readDMAExt].contains(opcode)
        let name = "\(hex(opcode)) \(size)"
        let data = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 3 &+ size &+ Int(opcode)) }
        let beyond = [UInt8](repeating: 0x11, count: 4096)
        machine.write(data, at: TestMachine.data)
        machine.write(beyond, at: TestMachine.data + 4096)
        let before = try machine.medium(sector: 64, count: 8)
        machine.stop()
        machine.clearBusMasterStatus()
        machine.setTable([(TestMachine.data, 2), (TestMachine.data + 2, size - 2)])
        if [Opcode.readDMAExt, Opcode.writeDMAExt, Opcode.writeDMAFUAExt].contains(opcode) {
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
        XCTAssertEqual(machine.bmStatus, expected & BusMasterStatus.interrupt, name)
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
            machine.control(DeviceControlBits.interruptDisable)
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
