import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATA commands": PIO data-out.
final class PIOWriteTests: IDETestCase {
    func testWriteSectors() throws {
        try forEachMachine { machine in
            for (opcode, is48) in [
                (Opcode.writeSectors, false), (Opcode.writeSectorsNoRetry, false),
                (Opcode.writeSectorsExt, true),
            ] as [(UInt8, Bool)] {
                let data = (0..<3 * 512).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(opcode)) }
                if is48 {
                    machine.command48(opcode, lba: 7, count: 3, device: 0xF)
                } else {
                    machine.command28(opcode, lba: 7, count: 3)
                }
                XCTAssertFalse(machine.irq, "none for the first block")
                for block in 0..<3 {
                    XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
                    machine.writeData(Array(data[block * 512..<block * 512 + 512]))
                    XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                    XCTAssertFalse(machine.irq)
                    machine.settle()
                    XCTAssertTrue(machine.irq, "one before each later block, and at the end")
                    machine.sample("\(hex(opcode)) \(block)")
                    _ = machine.status
                }
                XCTAssertEqual(machine.alternateStatus, DriveStatus.idle)
                XCTAssertEqual(machine.count, 0)
                XCTAssertEqual(is48 ? machine.lba48 : UInt64(machine.lba28), 10)
                XCTAssertEqual(try machine.medium(sector: 7, count: 3), data)
                XCTAssertEqual(try machine.medium(sector: 6, count: 1), Self.content(sector: 6))
                XCTAssertEqual(try machine.medium(sector: 10, count: 1), Self.content(sector: 10))
            }
        }
    }

    func testWriteMultiple() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.setMultipleMode, count: 8)
            _ = machine.status
            for (opcode, is48) in [
                (Opcode.writeMultiple, false), (Opcode.writeMultipleExt, true),
                (Opcode.writeMultipleFUAExt, true),
            ] as [(UInt8, Bool)] {
                let data = (0..<20 * 512).map { UInt8(truncatingIfNeeded: $0 / 512 &+ Int(opcode)) }
                if is48 {
                    machine.command48(opcode, lba: 40, count: 20, device: 0xF)
                } else {
                    machine.command28(opcode, lba: 40, count: 20)
                }
                var done = 0
                for block in [8, 8, 4] {
                    XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
                    XCTAssertEqual(machine.irq, done > 0)
                    _ = machine.status
                    machine.writeData(Array(data[done..<done + block * 512]))
                    done += block * 512
                    machine.settle()
                }
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(try machine.medium(sector: 40, count: 20), data)
                machine.sample("\(hex(opcode))", try machine.medium(sector: 39, count: 22))
            }
        }
    }

    func testBlockTransfers() throws {
        try forEachMachine { machine in
            for width in [2, 4] {
                let data = (0..<512).map { UInt8(truncatingIfNeeded: $0 * width) }
                machine.command28(Opcode.writeSectors, lba: 3, count: 1)
                // What is too much is lost.
                (data + [1, 2, 3, 4]).withUnsafeBytes {
                    machine.controller.transferBlock(to: IDEPort.data, width: width, from: $0)
                }
                machine.settle()
                XCTAssertEqual(try machine.medium(sector: 3, count: 1), data)
                machine.sample("width \(width)")
            }
            machine.command28(Opcode.writeSectors, lba: 3, count: 1)
            [UInt8](repeating: 0x5A, count: 256).withUnsafeBytes {
                machine.controller.transferBlock(to: IDEPort.data, width: 1, from: $0)
            }
            machine.settle()
            XCTAssertEqual(
                Array(try machine.medium(sector: 3, count: 1).prefix(4)), [0x5A, 0, 0x5A, 0])
        }
    }

    func testReadOnlyImageAbortsWrites() throws {
        try forEachMachine(over: MachineConfiguration.engines, access: .readOnly) { machine in
            for opcode: UInt8 in [
                Opcode.writeSectors, Opcode.writeSectorsNoRetry, Opcode.writeSectorsExt,
                Opcode.writeMultiple, Opcode.writeMultipleExt, Opcode.writeMultipleFUAExt,
                Opcode.writeDMA, Opcode.writeDMANoRetry, Opcode.writeDMAExt, Opcode.writeDMAFUAExt,
            ] {
                machine.command28(opcode, lba: 0, count: 1)
                XCTAssertEqual(machine.error, DriveError.aborted)
                XCTAssertEqual(machine.status, DriveStatus.failed)
            }
            machine.command28(
                Opcode.dataSetManagement, count: 1, features: UInt8(DataSetManagement.trim))
            XCTAssertEqual(machine.status, DriveStatus.failed)
            XCTAssertEqual(machine.identify()[IdentifyWord.dataSetManagement], 0)
            machine.transfer(Opcode.readDMA, lba: 0, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    /// FUA and a disabled write cache make each write durable by itself.
    func testDurability() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            func written(_ body: () -> Void) -> UInt64 {
                let before = disk.queue.statistics.durableWrites.operations
                body()
                machine.settle()
                XCTAssertEqual(machine.status, DriveStatus.idle)
                return disk.queue.statistics.durableWrites.operations - before
            }
            func write(_ opcode: UInt8) -> UInt64 {
                written {
                    machine.command48(opcode, lba: 8, count: 1)
                    machine.writeData([UInt8](repeating: 1, count: 512))
                }
            }
            func writeDMA(_ opcode: UInt8) -> UInt64 {
                written {
                    machine.stop()
                    machine.setTable([(TestMachine.data, 512)])
                    machine.command48(opcode, lba: 8, count: 1)
                    machine.start(toMemory: false)
                }
            }
            func writeAll() -> [UInt64] {
                [
                    write(Opcode.writeSectorsExt), write(Opcode.writeMultipleExt),
                    writeDMA(Opcode.writeDMAExt),
                ]
            }
            XCTAssertEqual(writeAll(), [0, 0, 0])
            XCTAssertEqual(
                [write(Opcode.writeMultipleFUAExt), writeDMA(Opcode.writeDMAFUAExt)], [1, 1])
            machine.command28(Opcode.setFeatures, features: Feature.disableWriteCache)
            machine.settle()
            XCTAssertEqual(writeAll(), [1, 1, 1])
            machine.command28(Opcode.setFeatures, features: Feature.enableWriteCache)
            XCTAssertEqual(
                [write(Opcode.writeSectorsExt), writeDMA(Opcode.writeDMAExt)], [0, 0])
            machine.sample("done")
        }
    }
}
