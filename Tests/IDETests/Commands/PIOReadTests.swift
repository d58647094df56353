import IDE
import XCTest

/// docs/ide-rules.md, "ATA commands": PIO data-in.
final class PIOReadTests: IDETestCase {
    func testReadSectors() throws {
        try forEachMachine { m in
            for (opcode, is48) in [(0x20, false), (0x21, false), (0x24, true)] as [(UInt8, Bool)] {
                if is48 {
                    // Bits 3:0 of the device register are no part of the address.
                    m.command48(opcode, lba: 7, count: 3, device: 0xF)
                } else {
                    m.command28(opcode, lba: 7, count: 3)
                }
                for sector: UInt64 in 7..<10 {
                    XCTAssertFalse(m.irq, "not before the data")
                    XCTAssertEqual(m.alternateStatus, 0xD0)
                    m.settle()
                    XCTAssertTrue(m.irq, "an interrupt a block")
                    XCTAssertEqual(m.bmStatus & 4, 4, "the INT bit follows PIO too")
                    XCTAssertEqual(m.status, 0x58)
                    m.outb(Machine.busMaster + 2, 4)
                    let data = m.readData(count: 512)
                    m.sample("\(hex(opcode)) \(sector)", data)
                    XCTAssertEqual(data, Self.content(sector: sector))
                }
                XCTAssertFalse(m.irq, "none after the last word")
                XCTAssertEqual(m.status, 0x50)
                XCTAssertEqual(m.count, 0)
                if is48 { XCTAssertEqual(m.lba48, 10) } else { XCTAssertEqual(m.lba28, 10) }
                m.sample("\(hex(opcode)) done")
            }
        }
    }

    func testReadMultiple() throws {
        try forEachMachine { m in
            m.command28(0xC6, count: 4)
            for (opcode, is48) in [(0xC4, false), (0x29, true)] as [(UInt8, Bool)] {
                if is48 {
                    m.command48(opcode, lba: 20, count: 10)
                } else {
                    m.command28(opcode, lba: 20, count: 10)
                }
                var data: [UInt8] = []
                for block in [4, 4, 2] {
                    m.settle()
                    XCTAssertTrue(m.irq)
                    XCTAssertEqual(m.status, 0x58)
                    data += m.readData(count: block * 512)
                }
                XCTAssertFalse(m.irq)
                XCTAssertEqual(m.status, 0x50)
                XCTAssertEqual(data, Self.content(sector: 20, count: 10))
                XCTAssertEqual(m.lba28, 30)
                m.sample("\(hex(opcode))", data)
            }
        }
    }

    func testMultipleCanBeOff() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.command28(0xC6, count: 0)
            XCTAssertEqual(m.status, 0x50)
            for opcode: UInt8 in [0xC4, 0xC5, 0x29, 0x39, 0xCE] {
                m.command28(opcode, lba: 0, count: 1)
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.error, 4)
                XCTAssertEqual(m.status, 0x41)
            }
        }
    }

    func testCount0Is256() throws {
        try forEachMachine { m in
            m.command28(0xC6, count: 16)
            m.command28(0xC4, lba: 1, count: 0)
            var data: [UInt8] = []
            for _ in 0..<16 {
                m.settle()
                XCTAssertEqual(m.status, 0x58)
                data += m.readData(count: 16 * 512)
            }
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(m.lba28, 257)
            m.sample("256 sectors", data)
            XCTAssertEqual(data, Self.content(sector: 1, count: 256))
        }
    }

    func testAByteTakesAWordAndADwordTwo() throws {
        try forEachMachine { m in
            let content = Self.content(sector: 0)
            m.command28(0x20, lba: 0, count: 1)
            m.settle()
            XCTAssertEqual(m.controller.readPort(0x1F0, width: 1), UInt32(content[0]))
            XCTAssertEqual(m.controller.readPort(0x1F0, width: 1), UInt32(content[2]))
            let four = content[4..<8].reversed().reduce(0) { $0 << 8 | UInt32($1) }
            XCTAssertEqual(m.controller.readPort(0x1F0, width: 4), four)
            for _ in 0..<251 { _ = m.controller.readPort(0x1F0, width: 1) }
            XCTAssertEqual(m.alternateStatus, 0x58)
            _ = m.controller.readPort(0x1F0, width: 1)
            XCTAssertEqual(m.alternateStatus, 0x50)
            m.sample("done")
        }
    }

    func testBlockTransfers() throws {
        try forEachMachine { m in
            for width in [2, 4] {
                m.command28(0x20, lba: 3, count: 2)
                m.settle()
                var data = [UInt8](repeating: 0xEE, count: 100)
                data.withUnsafeMutableBytes {
                    m.controller.transferBlock(from: 0x1F0, width: width, into: $0)
                }
                // More than is there: what is not offered reads as 0.
                var more = [UInt8](repeating: 0xEE, count: 500)
                more.withUnsafeMutableBytes {
                    m.controller.transferBlock(from: 0x1F0, width: width, into: $0)
                }
                data += more.prefix(412)
                XCTAssertEqual(data, Self.content(sector: 3))
                XCTAssertEqual(Array(more.suffix(88)), [UInt8](repeating: 0, count: 88))
                m.settle()
                XCTAssertEqual(m.alternateStatus, 0x58, "the next sector")
                m.sample("width \(width)", data)
                _ = m.readData(count: 512)
            }
            m.command28(0x20, lba: 3, count: 1)
            m.settle()
            var low = [UInt8](repeating: 0, count: 256)
            low.withUnsafeMutableBytes {
                m.controller.transferBlock(from: 0x1F0, width: 1, into: $0)
            }
            let content = Self.content(sector: 3)
            XCTAssertEqual(low, stride(from: 0, to: 512, by: 2).map { content[$0] })
            XCTAssertEqual(m.status, 0x50)
        }
    }

    func testDataPortWithoutData() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            XCTAssertEqual(m.controller.readPort(0x1F0, width: 2), 0)
            m.controller.writePort(0x1F0, width: 4, value: 0x1234_5678)
            m.setTable([(Machine.data, 512)])
            m.command28(0xC8, lba: 0, count: 1)
            XCTAssertEqual(m.controller.readPort(0x1F0, width: 4), 0, "armed, but not for PIO")
            XCTAssertEqual(m.alternateStatus, 0x58)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            m.command28(0x30, lba: 0, count: 1)
            XCTAssertEqual(m.controller.readPort(0x1F0, width: 2), 0, "the wrong way")
            XCTAssertEqual(m.alternateStatus, 0x58)
        }
    }
}
