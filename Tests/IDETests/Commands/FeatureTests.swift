import IDE
import XCTest

/// docs/ide-rules.md, "ATA commands": SET FEATURES, power, buffers and what else has no data.
final class FeatureTests: IDETestCase {
    private func setFeatures(_ m: Machine, _ subcommand: UInt8, count: UInt8 = 0) -> UInt8 {
        m.command28(0xEF, count: count, features: subcommand)
        m.settle()
        XCTAssertTrue(m.irq, hex(subcommand))
        return m.status
    }

    func testSwitches() throws {
        try forEachMachine { m in
            for (on, off, bit) in [(0x02, 0x82, 5), (0xAA, 0x55, 6)] as [(UInt8, UInt8, Int)] {
                XCTAssertEqual(m.identify()[85] >> bit & 1, 1)
                XCTAssertEqual(setFeatures(m, off), 0x50)
                XCTAssertEqual(m.identify()[85] >> bit & 1, 0)
                XCTAssertEqual(m.identify()[82] >> bit & 1, 1)
                XCTAssertEqual(setFeatures(m, on), 0x50)
                XCTAssertEqual(m.identify()[85] >> bit & 1, 1)
            }
            for unknown: UInt8 in [0x00, 0x05, 0x85, 0x42, 0xC2, 0x10, 0xDD, 0xFF] {
                XCTAssertEqual(setFeatures(m, unknown), 0x41, hex(unknown))
                XCTAssertEqual(m.error, 4)
            }
            m.sample("done")
        }
    }

    func testTransferModes() throws {
        try forEachMachine { m in
            for (mode, words) in [
                (0x20, [0x0107, 0x003F]), (0x22, [0x0407, 0x003F]), (0x40, [0x0007, 0x013F]),
                (0x45, [0x0007, 0x203F]),
            ] as [(UInt8, [UInt16])] {
                XCTAssertEqual(setFeatures(m, 3, count: mode), 0x50)
                let found = m.identify()
                XCTAssertEqual([found[63], found[88]], words)
            }
            for mode: UInt8 in [0x00, 0x01, 0x08, 0x0B, 0x0C] {
                XCTAssertEqual(setFeatures(m, 3, count: mode), 0x50, hex(mode))
                XCTAssertEqual(m.identify()[88], 0x203F, "a PIO mode leaves the DMA mode")
            }
            for mode: UInt8 in [0x02, 0x0D, 0x10, 0x12, 0x23, 0x46, 0x47, 0x60, 0x80, 0xFF] {
                XCTAssertEqual(setFeatures(m, 3, count: mode), 0x41, hex(mode))
                XCTAssertEqual(m.error, 4)
            }
            m.sample("done")
        }
    }

    func testRevertingIsOffUnlessAskedFor() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            func changeAndReset() -> [UInt16] {
                m.command28(0xC6, count: 2)
                _ = setFeatures(m, 0x55)
                _ = setFeatures(m, 3, count: 0x20)
                m.control(4)
                m.control(0)
                let words = m.identify()
                return [words[59], words[85] >> 6 & 1, words[63]]
            }
            XCTAssertEqual(changeAndReset(), [0x0102, 0, 0x0107])
            XCTAssertEqual(setFeatures(m, 0xCC), 0x50)
            XCTAssertEqual(changeAndReset(), [0x0110, 1, 0x0007])
            XCTAssertEqual(
                changeAndReset(), [0x0110, 1, 0x0007], "the reset is no end of that")
            XCTAssertEqual(setFeatures(m, 0xCC), 0x50)
            XCTAssertEqual(setFeatures(m, 0x66), 0x50)
            XCTAssertEqual(changeAndReset(), [0x0102, 0, 0x0107])
        }
    }

    func testSetMultiple() throws {
        try forEachMachine { m in
            for count: UInt8 in [1, 2, 4, 8, 16] {
                m.command28(0xC6, count: count)
                XCTAssertEqual(m.status, 0x50)
                XCTAssertEqual(m.identify()[59], 0x100 | UInt16(count))
            }
            for count: UInt8 in [3, 6, 17, 32, 128, 255] {
                m.command28(0xC6, count: count)
                XCTAssertEqual([m.status, m.error], [0x41, 4])
                XCTAssertEqual(m.identify()[59], 0x110)
            }
            m.command28(0xC6, count: 0)
            XCTAssertEqual(m.identify()[59], 0)
            m.sample("done")
        }
    }

    func testPowerManagement() throws {
        try forEachMachine { m in
            func mode(_ opcode: UInt8 = 0xE5) -> UInt8 {
                m.command28(opcode, count: 0x33)
                XCTAssertEqual(m.status, 0x50)
                return m.count
            }
            XCTAssertEqual(mode(), 0xFF)
            for (standby, idle, check) in [
                (0xE0, 0xE1, 0xE5), (0xE2, 0xE3, 0xE5), (0x94, 0x95, 0x98), (0x96, 0x97, 0x98),
            ] as [(UInt8, UInt8, UInt8)] {
                m.command28(standby, count: 5)
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.status, 0x50)
                XCTAssertEqual(mode(check), 0)
                m.command28(idle)
                XCTAssertEqual(mode(check), 0xFF)
            }
            for opcode: UInt8 in [0x20, 0x40, 0x30, 0xC4] {
                m.command28(0xE0)
                m.command28(opcode, lba: 0, count: 1)
                m.settle()
                if opcode != 0x40 { m.writeData(m.readData(count: 512)) }
                m.settle()
                XCTAssertEqual(mode(), 0xFF, "a media command ends standby")
            }
            m.command28(0xE0)
            m.transfer(0xC8, lba: 0, count: 1, [(Machine.data, 512)])
            XCTAssertEqual(mode(), 0xFF)
            m.command28(0xE0)
            m.command28(0xE6)
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(mode(), 0, "SLEEP is a no-op")
            m.command28(0x99)
            XCTAssertEqual(m.status, 0x50)
            _ = m.identify()
            XCTAssertEqual(mode(), 0)
            m.sample("done")
        }
    }

    func testSectorBuffer() throws {
        try forEachMachine { m in
            m.command28(0xE4)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.readData(count: 512), [UInt8](repeating: 0, count: 512))
            let data = (0..<512).map { UInt8(truncatingIfNeeded: $0 * 5) }
            m.command28(0xE8)
            XCTAssertFalse(m.irq)
            XCTAssertEqual(m.alternateStatus, 0x58)
            m.writeData(data)
            XCTAssertTrue(m.irq)
            XCTAssertEqual(m.status, 0x50)
            _ = m.identify()
            m.command28(0xE4)
            XCTAssertEqual(m.readData(count: 512), data)
            m.sample("done")
        }
    }

    func testCommandsWithoutData() throws {
        try forEachMachine { m in
            for opcode: UInt8 in [0x10, 0xF5] {
                m.command28(opcode)
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.status, 0x50)
            }
            m.command28(0x00)
            XCTAssertTrue(m.irq)
            XCTAssertEqual([m.status, m.error], [0x41, 4], "NOP exists to be aborted")
            m.command28(0xF8)
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(m.lba28, 2047)
            m.command48(0x27)
            XCTAssertEqual(m.lba48, 2047)
            m.sample("done")
        }
    }

    func testAnErrorIsGoneWithTheNextCommand() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.command28(0xFF)
            XCTAssertEqual(m.error, 4)
            m.command28(0xE5)
            XCTAssertEqual([m.status, m.error], [0x50, 0])
        }
    }
}
