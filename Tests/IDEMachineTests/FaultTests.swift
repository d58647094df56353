import XCTest

@testable import TestSupport

/// x-fault, x-hold, x-release and what the error policies make of it.
final class FaultTests: XCTestCase {
    private let slot = "primary-master"
    private let place = IDEDriver.Place.primaryMaster
    private let pages: [(address: UInt32, length: UInt32)] = [(0x10_0000, 4096)]

    private func status(_ bench: Bench) throws -> String? {
        (try bench.qmp.run("query-status") as? [String: Any])?["status"] as? String
    }

    private func assertEvent(
        _ bench: Bench, _ operation: String, _ action: String, nospace: Bool = false,
        line: UInt = #line
    ) throws {
        let (name, data) = try bench.qmp.event()
        XCTAssertEqual(name, "BLOCK_IO_ERROR", line: line)
        XCTAssertEqual(data["device"] as? String, slot, line: line)
        XCTAssertEqual(data["operation"] as? String, operation, line: line)
        XCTAssertEqual(data["action"] as? String, action, line: line)
        XCTAssertEqual(data["nospace"] as? Bool, nospace, line: line)
    }

    func testAStoppedReadRunsAgain() throws {
        let bench = try Bench(["--drive", "\(slot)=DIR/disk.img,rerror=stop"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        try bench.qmp.run("x-fault", ["drive": slot, "operation": "read", "count": 2])
        try driver.start(place, Opcode.readDMA, at: 40, count: 8, memory: pages)
        for _ in 0..<2 {
            try assertEvent(bench, "read", "stop")
            XCTAssertEqual(try bench.qmp.event().name, "STOP")
            XCTAssertEqual(try status(bench), "io-error")
            XCTAssertEqual(try driver.alternateStatus(place) & DriveStatus.busy, DriveStatus.busy)
            XCTAssertEqual(bench.qtest.raised, [])
            try bench.qmp.run("cont")
            XCTAssertEqual(try bench.qmp.event().name, "RESUME")
        }
        XCTAssertEqual(
            try driver.finish(place),
            .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt))
        XCTAssertEqual(try bench.qtest.read(0x10_0000, 4096), Bench.content(of: 40..<48))
        XCTAssertEqual(try status(bench), "running")
        try bench.end()
    }

    func testFailuresAreReportedOrIgnoredAsToldTo() throws {
        let bench = try Bench(
            ["--drive", "\(slot)=DIR/disk.img,rerror=report,werror=ignore"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        try bench.qmp.run("x-fault", ["drive": slot, "operation": "read", "after": 1])
        XCTAssertEqual(
            try driver.transfer(place, Opcode.readDMA, at: 0, count: 8, memory: pages).status,
            DriveStatus.idle)
        // UNC (ATA/ATAPI-6 8.34.6)
        XCTAssertEqual(
            try driver.transfer(place, Opcode.readDMA, at: 0, count: 8, memory: pages),
            .init(
                status: DriveStatus.failed, error: DriveError.uncorrectable,
                busMaster: BusMasterStatus.interrupt))
        try assertEvent(bench, "read", "report")
        XCTAssertEqual(
            try driver.transfer(place, Opcode.readDMA, at: 0, count: 8, memory: pages).status,
            DriveStatus.idle)

        try bench.qmp.run("x-fault", ["drive": slot, "operation": "write", "errno": "EROFS"])
        try bench.qtest.fill(0x10_0000, 4096, 0x77)
        XCTAssertEqual(
            try driver.transfer(place, Opcode.writeDMA, at: 0, count: 8, memory: pages).status,
            DriveStatus.idle)
        try assertEvent(bench, "write", "ignore")
        XCTAssertEqual(try status(bench), "running")
        XCTAssertTrue(bench.qmp.events.isEmpty)
        try bench.end()
        XCTAssertEqual(try bench.medium(0..<8), Bench.content(of: 0..<8))
    }

    func testOnlyAFullHostStopsWritesByDefault() throws {
        let bench = try Bench(["--drive", "\(slot)=DIR/disk.img"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        try bench.qtest.fill(0x10_0000, 4096, 0x42)
        try bench.qmp.run("x-fault", ["drive": slot, "operation": "write", "errno": "ENOSPC"])
        try driver.start(place, Opcode.writeDMA, at: 16, count: 8, memory: pages)
        try assertEvent(bench, "write", "stop", nospace: true)
        XCTAssertEqual(try bench.qmp.event().name, "STOP")
        try bench.qmp.run("cont")
        XCTAssertEqual(try bench.qmp.event().name, "RESUME")
        XCTAssertEqual(try driver.finish(place).status, DriveStatus.idle)
        try bench.qmp.run("x-fault", ["drive": slot, "operation": "write"])
        XCTAssertEqual(
            try driver.transfer(place, Opcode.writeDMA, at: 24, count: 8, memory: pages),
            .init(
                status: DriveStatus.failed, error: DriveError.aborted,
                busMaster: BusMasterStatus.interrupt))
        try assertEvent(bench, "write", "report")
        try bench.end()
        XCTAssertEqual(try bench.medium(16..<24), [UInt8](repeating: 0x42, count: 4096))
        XCTAssertEqual(try bench.medium(24..<32), Bench.content(of: 24..<32))
    }

    /// Whatever the caching: the fault is the test's, and the kernel has lost nothing.
    func testAStoppedFlushRunsAgain() throws {
        for direct in ["on", "off"] {
            let bench = try Bench(
                ["--drive", "\(slot)=DIR/disk.img,direct=\(direct),werror=stop"], size: 1 << 20)
            let driver = try IDEDriver(bench.qtest)
            try bench.qmp.run("x-fault", ["drive": slot, "operation": "flush"])
            try driver.issue(place, Opcode.flushCache)
            try assertEvent(bench, "write", "stop")
            XCTAssertEqual(try bench.qmp.event().name, "STOP")
            XCTAssertEqual(try driver.alternateStatus(place) & DriveStatus.busy, DriveStatus.busy)
            try bench.qmp.run("cont")
            XCTAssertEqual(try bench.qmp.event().name, "RESUME")
            XCTAssertEqual(try driver.wait(place, interrupt: true), DriveStatus.idle, direct)
            XCTAssertTrue(bench.qmp.events.isEmpty)
            try bench.end()
        }
    }

    /// Whichever was asked for first.
    func testAHeldReadMeetsItsFaultWhenItIsReleased() throws {
        let bench = try Bench(["--drive", "\(slot)=DIR/disk.img"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        for commands in [["x-hold", "x-fault"], ["x-fault", "x-hold"]] {
            for command in commands {
                try bench.qmp.run(command, ["drive": slot, "operation": "read"])
            }
            try driver.start(place, Opcode.readDMA, at: 8, count: 8, memory: pages)
            XCTAssertEqual(try driver.alternateStatus(place), DriveStatus.working)
            XCTAssertTrue(bench.qmp.events.isEmpty)
            try bench.qmp.run("x-release", ["drive": slot, "operation": "read"])
            XCTAssertEqual(
                try driver.finish(place),
                .init(
                    status: DriveStatus.failed, error: DriveError.uncorrectable,
                    busMaster: BusMasterStatus.interrupt))
            try assertEvent(bench, "read", "report")
            // Both are over.
            XCTAssertEqual(
                try driver.transfer(place, Opcode.readDMA, at: 8, count: 8, memory: pages).status,
                DriveStatus.idle)
        }
        try bench.end()
    }

    func testAHeldFlushEndsWhenItIsReleased() throws {
        let bench = try Bench(["--drive", "\(slot)=DIR/disk.img"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        for _ in 0..<2 {
            try bench.qmp.run("x-hold", ["drive": slot, "operation": "flush"])
            try driver.issue(place, Opcode.flushCache)
            for _ in 0..<20 {
                XCTAssertEqual(
                    try driver.alternateStatus(place) & DriveStatus.busy, DriveStatus.busy)
                usleep(500)
            }
            XCTAssertEqual(bench.qtest.raised, [])
            let error = try bench.qmp.error("x-save", ["path": bench.directory.path("state")])
            XCTAssertTrue(error.1.contains("held"), error.1)
            try bench.qmp.run("x-release", ["drive": slot, "operation": "flush"])
            XCTAssertEqual(try driver.wait(place, interrupt: true), DriveStatus.idle)
            _ = try bench.qtest.inb(place.base + CommandBlock.status)
            // What was released is over: the next is not held.
            try driver.issue(place, Opcode.flushCache)
            XCTAssertEqual(try driver.wait(place, interrupt: true), DriveStatus.idle)
            _ = try bench.qtest.inb(place.base + CommandBlock.status)
        }
        XCTAssertEqual(try bench.qmp.statistic("flush_operations", of: slot), 4)
        try bench.qmp.run("x-release", ["drive": slot, "operation": "flush"])
        try bench.end()
    }

    func testReadsAreHeldApartFromWrites() throws {
        let bench = try Bench(
            ["--drive", "\(slot)=DIR/disk.img", "--drive", "secondary-master=DIR/other.img"],
            size: 1 << 20, other: "other.img")
        let driver = try IDEDriver(bench.qtest)
        try bench.qmp.run("x-hold", ["drive": slot, "operation": "read"])
        XCTAssertEqual(
            try driver.transfer(place, Opcode.writeDMA, at: 0, count: 8, memory: pages).status,
            DriveStatus.idle)
        try driver.start(place, Opcode.readDMA, at: 8, count: 8, memory: pages)
        // The other channel does not mind.
        XCTAssertEqual(
            try driver.transfer(
                .secondaryMaster, Opcode.readDMA, at: 8, count: 8, memory: [(0x20_0000, 4096)]),
            .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt))
        XCTAssertEqual(try bench.qtest.read(0x20_0000, 4096), Bench.content(of: 8..<16))
        XCTAssertEqual(try bench.qtest.read(0x10_0000, 4096), [UInt8](repeating: 0, count: 4096))
        // Stopping the machine does not wait for what will not end.
        try bench.qmp.run("stop")
        try bench.qmp.run("x-release", ["drive": slot, "operation": "read"])
        XCTAssertEqual(try driver.finish(place).status, DriveStatus.idle)
        XCTAssertEqual(try bench.qtest.read(0x10_0000, 4096), Bench.content(of: 8..<16))
        try bench.end()
    }

    func testTRIMAndFUAAreCounted() throws {
        let bench = try Bench(["--drive", "\(slot)=DIR/disk.img"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        // DATA SET MANAGEMENT, TRIM, of 8 sectors at 64 (ATA8-ACS 7.10): one DMA block of ranges.
        try bench.qtest.store(0x10_0000, UInt64(8) << 48 | 64)
        XCTAssertEqual(try bench.qmp.statistic("unmap_operations", of: slot), 0)
        try bench.qtest.store(UInt64(IDEDriver.table), UInt32(0x10_0000))
        try bench.qtest.store(UInt64(IDEDriver.table) + 4, UInt32(0x8000_0200))
        try bench.qtest.outl(place.busMaster + BusMasterRegister.table, IDEDriver.table)
        // 48-bit: the high-order byte first.
        try bench.qtest.outb(place.base + CommandBlock.count, 0)
        try driver.issue(place, Opcode.dataSetManagement, features: 1)
        try bench.qtest.outb(place.busMaster, BusMasterCommand.startReadingMemory)
        XCTAssertEqual(try driver.finish(place).status, DriveStatus.idle)
        XCTAssertEqual(try bench.qmp.statistic("unmap_operations", of: slot), 1)

        // WRITE DMA FUA EXT (ATA8-ACS 7.66): 48-bit, each register twice.
        try bench.qtest.fill(0x10_0000, 512, 0x99)
        try bench.qtest.outb(
            place.base + CommandBlock.device, DeviceSelect.master | DeviceSelect.lba)
        for (register, high, low) in [
            (CommandBlock.count, 0, 1), (CommandBlock.lbaLow, 0, 5), (CommandBlock.lbaMid, 0, 0),
            (CommandBlock.lbaHigh, 0, 0),
        ] as [(UInt16, UInt8, UInt8)] {
            try bench.qtest.outb(place.base + register, high)
            try bench.qtest.outb(place.base + register, low)
        }
        try bench.qtest.outb(place.base + CommandBlock.command, Opcode.writeDMAFUAExt)
        try bench.qtest.outb(place.busMaster, BusMasterCommand.startReadingMemory)
        XCTAssertEqual(try driver.finish(place).status, DriveStatus.idle)
        XCTAssertEqual(try bench.qmp.statistic("fua_operations", of: slot), 1)
        XCTAssertEqual(try bench.qmp.statistic("wr_operations", of: slot), 1)
        try bench.end()
        XCTAssertEqual(try bench.medium(5..<6), [UInt8](repeating: 0x99, count: 512))
    }
}
