import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATA commands": PIO data-in.
final class PIOReadTests: IDETestCase {
    func testReadSectors() throws {
        try forEachMachine { machine in
            for (opcode, is48) in [
                (Opcode.readSectors, false), (Opcode.readSectorsNoRetry, false),
                (Opcode.readSectorsExt, true),
            ] as [(UInt8, Bool)] {
                if is48 {
                    // Bits 3:0 of the device register are no part of the address.
                    machine.command48(opcode, lba: 7, count: 3, device: 0xF)
                } else {
                    machine.command28(opcode, lba: 7, count: 3)
                }
                for sector: UInt64 in 7..<10 {
                    XCTAssertFalse(machine.irq, "not before the data")
                    XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                    machine.settle()
                    XCTAssertTrue(machine.irq, "an interrupt a block")
                    XCTAssertEqual(machine.bmStatus & 4, 4, "the INT bit follows PIO too")
                    XCTAssertEqual(machine.status, DriveStatus.wantsData)
                    machine.outb(
                        TestMachine.busMaster + BusMasterRegister.status, BusMasterStatus.interrupt)
                    let data = machine.readData(count: 512)
                    machine.sample("\(hex(opcode)) \(sector)", data)
                    XCTAssertEqual(data, Self.content(sector: sector))
                }
                XCTAssertFalse(machine.irq, "none after the last word")
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(machine.count, 0)
                if is48 {
                    XCTAssertEqual(machine.lba48, 10)
                } else {
                    XCTAssertEqual(machine.lba28, 10)
                }
                machine.sample("\(hex(opcode)) done")
            }
        }
    }

    func testReadMultiple() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.setMultipleMode, count: 4)
            for (opcode, is48) in [(Opcode.readMultiple, false), (Opcode.readMultipleExt, true)]
                as [(UInt8, Bool)]
            {
                if is48 {
                    machine.command48(opcode, lba: 20, count: 10)
                } else {
                    machine.command28(opcode, lba: 20, count: 10)
                }
                var data: [UInt8] = []
                for block in [4, 4, 2] {
                    machine.settle()
                    XCTAssertTrue(machine.irq)
                    XCTAssertEqual(machine.status, DriveStatus.wantsData)
                    data += machine.readData(count: block * 512)
                }
                XCTAssertFalse(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(data, Self.content(sector: 20, count: 10))
                XCTAssertEqual(machine.lba28, 30)
                machine.sample("\(hex(opcode))", data)
            }
        }
    }

    func testMultipleCanBeOff() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.command28(Opcode.setMultipleMode, count: 0)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            for opcode: UInt8 in [
                Opcode.readMultiple, Opcode.writeMultiple, Opcode.readMultipleExt,
                Opcode.writeMultipleExt, Opcode.writeMultipleFUAExt,
            ] {
                machine.command28(opcode, lba: 0, count: 1)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.error, DriveError.aborted)
                XCTAssertEqual(machine.status, DriveStatus.failed)
            }
        }
    }

    func testCount0Is256() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.setMultipleMode, count: 16)
            machine.command28(Opcode.readMultiple, lba: 1, count: 0)
            var data: [UInt8] = []
            for _ in 0..<16 {
                machine.settle()
                XCTAssertEqual(machine.status, DriveStatus.wantsData)
                data += machine.readData(count: 16 * 512)
            }
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(machine.lba28, 257)
            machine.sample("256 sectors", data)
            XCTAssertEqual(data, Self.content(sector: 1, count: 256))
        }
    }

    func testAByteTakesAWordAndADwordTwo() throws {
        try forEachMachine { machine in
            let content = Self.content(sector: 0)
            machine.command28(Opcode.readSectors, lba: 0, count: 1)
            machine.settle()
            XCTAssertEqual(machine.controller.readPort(IDEPort.data, width: 1), UInt32(content[0]))
            XCTAssertEqual(machine.controller.readPort(IDEPort.data, width: 1), UInt32(content[2]))
            let four = content[4..<8].reversed().reduce(0) { $0 << 8 | UInt32($1) }
            XCTAssertEqual(machine.controller.readPort(IDEPort.data, width: 4), four)
            for _ in 0..<251 { _ = machine.controller.readPort(IDEPort.data, width: 1) }
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            _ = machine.controller.readPort(IDEPort.data, width: 1)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.idle)
            machine.sample("done")
        }
    }

    func testBlockTransfers() throws {
        try forEachMachine { machine in
            for width in [2, 4] {
                machine.command28(Opcode.readSectors, lba: 3, count: 2)
                machine.settle()
                var data = [UInt8](repeating: 0xEE, count: 100)
                data.withUnsafeMutableBytes {
                    machine.controller.transferBlock(from: IDEPort.data, width: width, into: $0)
                }
                // More than is there: what is not offered reads as 0.
                var more = [UInt8](repeating: 0xEE, count: 500)
                more.withUnsafeMutableBytes {
                    machine.controller.transferBlock(from: IDEPort.data, width: width, into: $0)
                }
                data += more.prefix(412)
                XCTAssertEqual(data, Self.content(sector: 3))
                XCTAssertEqual(Array(more.suffix(88)), [UInt8](repeating: 0, count: 88))
                machine.settle()
                XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData, "the next sector")
                machine.sample("width \(width)", data)
                _ = machine.readData(count: 512)
            }
            machine.command28(Opcode.readSectors, lba: 3, count: 1)
            machine.settle()
            var low = [UInt8](repeating: 0, count: 256)
            low.withUnsafeMutableBytes {
                machine.controller.transferBlock(from: IDEPort.data, width: 1, into: $0)
            }
            let content = Self.content(sector: 3)
            XCTAssertEqual(low, stride(from: 0, to: 512, by: 2).map { content[$0] })
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    func testDataPortWithoutData() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            XCTAssertEqual(machine.controller.readPort(IDEPort.data, width: 2), 0)
            machine.controller.writePort(IDEPort.data, width: 4, value: 0x1234_5678)
            machine.setTable([(TestMachine.data, 512)])
            machine.command28(Opcode.readDMA, lba: 0, count: 1)
            XCTAssertEqual(
                machine.controller.readPort(IDEPort.data, width: 4), 0, "armed, but not for PIO")
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.command28(Opcode.writeSectors, lba: 0, count: 1)
            XCTAssertEqual(machine.controller.readPort(IDEPort.data, width: 2), 0, "the wrong way")
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
        }
    }
}
