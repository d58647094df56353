import IDE
import XCTest

/// docs/ide-rules.md, "ATA commands": SMART.
final class SMARTTests: IDETestCase {
    private func smart(_ m: Machine, _ subcommand: UInt8, count: UInt8 = 0, low: UInt8 = 0) {
        m.command28(0xB0, lba: 0xC2_4F_00 | UInt32(low), count: count, features: subcommand)
    }

    private func page(_ m: Machine) -> [UInt8] {
        XCTAssertTrue(m.irq)
        XCTAssertEqual(m.status, 0x58)
        let bytes = m.readData(count: 512)
        XCTAssertEqual(m.status, 0x50)
        return bytes
    }

    func testKeyAndUnknownSubcommands() throws {
        try forEachMachine { m in
            m.command28(0xB0, lba: 0, features: 0xDA)
            XCTAssertEqual([m.status, m.error], [0x41, 4])
            m.command28(0xB0, lba: 0xC2_00_00, features: 0xDA)
            XCTAssertEqual([m.status, m.error], [0x41, 4])
            for subcommand: UInt8 in [0x00, 0xD3, 0xD6, 0xD7, 0xDB, 0xFF] {
                smart(m, subcommand)
                XCTAssertEqual([m.status, m.error], [0x41, 4])
            }
            m.sample("done")
        }
    }

    func testEnableAndDisable() throws {
        try forEachMachine { m in
            smart(m, 0xD9)
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(m.identify()[85] & 1, 0)
            for subcommand: UInt8 in [0xD0, 0xD1, 0xD2, 0xD4, 0xD5, 0xD9, 0xDA] {
                smart(m, subcommand, count: 1)
                XCTAssertEqual([m.status, m.error], [0x41, 4])
            }
            smart(m, 0xD8)
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(m.identify()[85] & 1, 1)
            m.sample("done")
        }
    }

    func testPages() throws {
        try forEachMachine { m in
            smart(m, 0xD0)
            let data = page(m)
            XCTAssertEqual(data.reduce(0, &+), 0)
            smart(m, 0xD1)
            let thresholds = page(m)
            XCTAssertEqual(thresholds.reduce(0, &+), 0)
            XCTAssertEqual(thresholds[2], data[2], "the same attributes")
            XCTAssertEqual(thresholds[14], data[14])
            XCTAssertLessThan(thresholds[3], data[5], "all is well")
            smart(m, 0xDA)
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual([m.inb(0x1F4), m.inb(0x1F5)], [0x4F, 0xC2])
            for value: UInt8 in [0, 0xF1] {
                smart(m, 0xD2, count: value)
                XCTAssertEqual(m.status, 0x50)
            }
            smart(m, 0xD2, count: 1)
            XCTAssertEqual(m.status, 0x41)
            smart(m, 0xD5, count: 1)
            let directory = page(m)
            XCTAssertEqual([directory[0], directory[2], directory[12]], [1, 1, 1])
            smart(m, 0xD5, count: 1, low: 2)
            XCTAssertEqual(m.status, 0x41)
            smart(m, 0xD5, count: 2)
            XCTAssertEqual(m.status, 0x41)
            m.sample("done", data, thresholds, directory)
        }
    }

    func testErrorsAreCountedAndLogged() throws {
        try forEachMachine { m in
            m.faults.add(.init(.error(EIO), operations: [.read], count: 7))
            for sector: UInt32 in 1...7 {
                m.command28(0x20, lba: sector, count: 1)
                m.settle()
                XCTAssertEqual([m.status, m.error], [0x41, 0x40])
            }
            smart(m, 0xD0)
            let data = page(m)
            XCTAssertEqual(data[7], 7, "raw value of the read errors")
            smart(m, 0xD5, count: 1, low: 1)
            let log = page(m)
            XCTAssertEqual(
                [log[1], log[452]], [2, 7], "the newest of seven is in the second place")
            let newest = 2 + 90
            XCTAssertEqual(log[newest + 48 + 3], 7, "LBA Low of the command")
            XCTAssertEqual(log[newest + 48 + 7], 0x20)
            XCTAssertEqual([log[newest + 61], log[newest + 67]], [0x40, 0x41])
            XCTAssertEqual(log.reduce(0, &+), 0)
            smart(m, 0xD4, low: 1)
            XCTAssertEqual(m.status, 0x50)
            smart(m, 0xD5, count: 1, low: 6)
            let tests = page(m)
            XCTAssertEqual([tests[2], tests[3], tests[508]], [1, 0x70, 1], "a read failed")
            m.sample("done", data, log, tests)
        }
    }

    func testSelfTests() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            for subcommand: UInt8 in [0, 0x7F, 1, 2, 0x81, 0x82] {
                smart(m, 0xD4, low: subcommand)
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.status, 0x50)
            }
            smart(m, 0xD4, low: 3)
            XCTAssertEqual(m.status, 0x41)
            smart(m, 0xD5, count: 1, low: 6)
            let log = page(m)
            XCTAssertEqual((0..<4).map { log[2 + 24 * $0] }, [1, 2, 0x81, 0x82])
            XCTAssertEqual((0..<4).map { log[3 + 24 * $0] }, [0, 0, 0, 0])
            XCTAssertEqual(log[508], 4)
            for _ in 0..<20 { smart(m, 0xD4, low: 2) }
            smart(m, 0xD5, count: 1, low: 6)
            XCTAssertEqual(page(m)[508], 3, "24 tests in 21 places")
        }
    }

    func testManyErrorsFailTheDisk() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.faults.add(.init(.error(EIO), operations: [.write], count: 94))
            for _ in 0..<94 {
                m.command28(0x30, lba: 0, count: 1)
                m.writeData([UInt8](repeating: 0, count: 512))
                m.settle()
                XCTAssertEqual(m.status, 0x41)
            }
            smart(m, 0xDA)
            XCTAssertEqual([m.inb(0x1F4), m.inb(0x1F5)], [0xF4, 0x2C])
        }
    }
}
