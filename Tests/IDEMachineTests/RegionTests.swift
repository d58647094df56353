import XCTest

@testable import TestSupport

/// DMA to and from what is no RAM.
final class RegionTests: XCTestCase {
    private let place = IDEDriver.Place.primaryMaster
    private let disk = "primary-master=DIR/disk.img"
    /// A memory fault: aborted, with the bus master's ERROR and INTERRUPT (SFF-8038i 3.1).
    private let fault = IDEDriver.End(
        status: DriveStatus.failed, error: DriveError.aborted,
        busMaster: BusMasterStatus.interruptAndError)
    private let success = IDEDriver.End(
        status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt)

    private func bench() throws -> (Bench, IDEDriver) {
        let bench = try Bench(
            [
                "--memory", "4", "--drive", disk, "--hole", "0x100000+0x1000", "--rom",
                "0x110000+0x1000", "--mmio", "0x120000+0x1000", "--self-mmio", "0x130000",
            ], size: 1 << 20)
        return (bench, try IDEDriver(bench.qtest))
    }

    func testMMIOIsReadAndWrittenByDMA() throws {
        let (bench, driver) = try bench()
        XCTAssertEqual(
            try driver.transfer(
                place, Opcode.readDMA, at: 9, count: 2,
                memory: [(0x20_0000, 300), (0x12_0002, 724)]), success
        )
        XCTAssertEqual(
            try bench.qtest.read(0x20_0000, 300) + bench.qtest.read(0x12_0002, 724),
            Bench.content(of: 9..<11))
        XCTAssertEqual(
            try driver.transfer(
                place, Opcode.writeDMA, at: 50, count: 2,
                memory: [(0x12_0002, 724), (0x20_0000, 300)]),
            success)
        XCTAssertGreaterThan(try bench.qmp.statistic("bounced_bytes", of: "primary-master"), 0)
        try bench.end()
        let bytes = Bench.content(of: 9..<11)
        XCTAssertEqual(try bench.medium(50..<52), Array(bytes[300...] + bytes[..<300]))
    }

    func testROMIsReadAndNotWritten() throws {
        let (bench, driver) = try bench()
        XCTAssertEqual(
            try driver.transfer(place, Opcode.readDMA, at: 9, count: 1, memory: [(0x11_0000, 512)]),
            success)
        let zeroes = [UInt8](repeating: 0, count: 512)
        XCTAssertEqual(try bench.qtest.read(0x11_0000, 512), zeroes)
        XCTAssertEqual(
            try driver.transfer(
                place, Opcode.writeDMA, at: 9, count: 1, memory: [(0x11_0000, 512)]), success)
        try bench.end()
        XCTAssertEqual(try bench.medium(9..<10), zeroes)
    }

    func testNothingIsAMemoryFault() throws {
        let (bench, driver) = try bench()
        for address: UInt32 in [0x10_0000, 0x0f_ff80, 0x3f_ff80, 0x8000_0000] {
            for command: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                XCTAssertEqual(
                    try driver.transfer(
                        place, command, at: 9, count: 1, memory: [(address, 512)]), fault)
            }
        }
        try bench.end()
        XCTAssertEqual(try bench.medium(9..<10), Bench.content(of: 9..<10))
    }

    func testTheControllerDoesNotReachItself() throws {
        let (bench, driver) = try bench()
        let secondTable =
            IDEDriver.busMasterBase + BusMasterRegister.secondChannel + BusMasterRegister.table
        // The registers are there, for the processor.
        try bench.qtest.store(0x13_0004, UInt32(0x1234_5678))
        XCTAssertEqual(
            try bench.qtest.inl(IDEDriver.busMasterBase + BusMasterRegister.table), 0x1234_5678)
        XCTAssertEqual(try bench.qtest.load(0x13_0000, as: UInt16.self), 0xff00)
        try bench.qtest.outl(secondTable, 0x8765_4320)
        XCTAssertEqual(try bench.qtest.load(0x13_000c, as: UInt32.self), 0x8765_4320)
        for command: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
            XCTAssertEqual(
                try driver.transfer(
                    place, command, at: 9, count: 1,
                    memory: [(0x20_0000, 496), (0x13_0000, 16)]), fault)
        }
        XCTAssertEqual(try bench.qtest.inl(secondTable), 0x8765_4320)
        // A descriptor table there is no better.
        try driver.start(place, Opcode.readDMA, at: 9, count: 1, memory: [(0x20_0000, 512)])
        XCTAssertEqual(try driver.finish(place), success)
        try bench.qtest.outl(place.busMaster + BusMasterRegister.table, 0x13_0000)
        try driver.issue(place, Opcode.readDMA, at: 9)
        try bench.qtest.outb(place.busMaster, BusMasterCommand.startWritingMemory)
        XCTAssertEqual(try driver.finish(place), fault)
        try bench.end()
        XCTAssertEqual(try bench.medium(9..<10), Bench.content(of: 9..<10))
    }
}
