import BlockIO
import IDE
import XCTest

/// docs/ide-rules.md, "ATA commands": PIO data-out.
final class PIOWriteTests: IDETestCase {
    func testWriteSectors() throws {
        try forEachMachine { m in
            for (opcode, is48) in [(0x30, false), (0x31, false), (0x34, true)] as [(UInt8, Bool)] {
                let data = (0..<3 * 512).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ Int(opcode)) }
                if is48 {
                    m.command48(opcode, lba: 7, count: 3, device: 0xF)
                } else {
                    m.command28(opcode, lba: 7, count: 3)
                }
                XCTAssertFalse(m.irq, "none for the first block")
                for block in 0..<3 {
                    XCTAssertEqual(m.alternateStatus, 0x58)
                    m.writeData(Array(data[block * 512..<block * 512 + 512]))
                    XCTAssertEqual(m.alternateStatus, 0xD0)
                    XCTAssertFalse(m.irq)
                    m.settle()
                    XCTAssertTrue(m.irq, "one before each later block, and at the end")
                    m.sample("\(hex(opcode)) \(block)")
                    _ = m.status
                }
                XCTAssertEqual(m.alternateStatus, 0x50)
                XCTAssertEqual(m.count, 0)
                XCTAssertEqual(is48 ? m.lba48 : UInt64(m.lba28), 10)
                XCTAssertEqual(try m.medium(sector: 7, count: 3), data)
                XCTAssertEqual(try m.medium(sector: 6, count: 1), Self.content(sector: 6))
                XCTAssertEqual(try m.medium(sector: 10, count: 1), Self.content(sector: 10))
            }
        }
    }

    func testWriteMultiple() throws {
        try forEachMachine { m in
            m.command28(0xC6, count: 8)
            _ = m.status
            for (opcode, is48) in [(0xC5, false), (0x39, true), (0xCE, true)] as [(UInt8, Bool)] {
                let data = (0..<20 * 512).map { UInt8(truncatingIfNeeded: $0 / 512 &+ Int(opcode)) }
                if is48 {
                    m.command48(opcode, lba: 40, count: 20, device: 0xF)
                } else {
                    m.command28(opcode, lba: 40, count: 20)
                }
                var done = 0
                for block in [8, 8, 4] {
                    XCTAssertEqual(m.alternateStatus, 0x58)
                    XCTAssertEqual(m.irq, done > 0)
                    _ = m.status
                    m.writeData(Array(data[done..<done + block * 512]))
                    done += block * 512
                    m.settle()
                }
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.status, 0x50)
                XCTAssertEqual(try m.medium(sector: 40, count: 20), data)
                m.sample("\(hex(opcode))", try m.medium(sector: 39, count: 22))
            }
        }
    }

    func testBlockTransfers() throws {
        try forEachMachine { m in
            for width in [2, 4] {
                let data = (0..<512).map { UInt8(truncatingIfNeeded: $0 * width) }
                m.command28(0x30, lba: 3, count: 1)
                // What is too much is lost.
                (data + [1, 2, 3, 4]).withUnsafeBytes {
                    m.controller.transferBlock(to: 0x1F0, width: width, from: $0)
                }
                m.settle()
                XCTAssertEqual(try m.medium(sector: 3, count: 1), data)
                m.sample("width \(width)")
            }
            m.command28(0x30, lba: 3, count: 1)
            [UInt8](repeating: 0x5A, count: 256).withUnsafeBytes {
                m.controller.transferBlock(to: 0x1F0, width: 1, from: $0)
            }
            m.settle()
            XCTAssertEqual(Array(try m.medium(sector: 3, count: 1).prefix(4)), [0x5A, 0, 0x5A, 0])
        }
    }

    func testReadOnlyImageAbortsWrites() throws {
        try forEachMachine(over: MachineConfiguration.engines, access: .readOnly) { m in
            for opcode: UInt8 in [0x30, 0x31, 0x34, 0xC5, 0x39, 0xCE, 0xCA, 0xCB, 0x35, 0x3D] {
                m.command28(opcode, lba: 0, count: 1)
                XCTAssertEqual(m.error, 4)
                XCTAssertEqual(m.status, 0x41)
            }
            m.command28(0x06, count: 1, features: 1)
            XCTAssertEqual(m.status, 0x41)
            XCTAssertEqual(m.identify()[169], 0)
            m.transfer(0xC8, lba: 0, count: 1, [(Machine.data, 512)])
            XCTAssertEqual(m.status, 0x50)
        }
    }

    /// FUA and a disabled write cache make each write durable by itself.
    func testDurability() throws {
        try forEachMachine { m in
            let disk = try XCTUnwrap(m.disks[.primaryMaster])
            func written(_ body: () -> Void) -> UInt64 {
                let before = disk.queue.statistics.durableWrites.operations
                body()
                m.settle()
                XCTAssertEqual(m.status, 0x50)
                return disk.queue.statistics.durableWrites.operations - before
            }
            func write(_ opcode: UInt8) -> UInt64 {
                written {
                    m.command48(opcode, lba: 8, count: 1)
                    m.writeData([UInt8](repeating: 1, count: 512))
                }
            }
            func writeDMA(_ opcode: UInt8) -> UInt64 {
                written {
                    m.stop()
                    m.setTable([(Machine.data, 512)])
                    m.command48(opcode, lba: 8, count: 1)
                    m.start(toMemory: false)
                }
            }
            XCTAssertEqual([write(0x34), write(0x39), writeDMA(0x35)], [0, 0, 0])
            XCTAssertEqual([write(0xCE), writeDMA(0x3D)], [1, 1])
            m.command28(0xEF, features: 0x82)
            m.settle()
            XCTAssertEqual([write(0x34), write(0x39), writeDMA(0x35)], [1, 1, 1])
            m.command28(0xEF, features: 0x02)
            XCTAssertEqual([write(0x34), writeDMA(0x35)], [0, 0])
            m.sample("done")
        }
    }
}
