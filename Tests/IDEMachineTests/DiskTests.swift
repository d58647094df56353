import XCTest

@testable import TestSupport

/// A disk as a guest uses it.
final class DiskTests: XCTestCase {
    private let disk = "primary-master=DIR/disk.img"

    func testIdentifyShowsWhatTheCommandLineSays() throws {
        let bench = try Bench(
            ["--drive", "secondary-master=DIR/disk.img,serial=SN 42,firmware=fw1"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        let words = try driver.identify(.secondaryMaster)
        func text(_ range: Range<Int>) -> String {
            let bytes = words[range].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
            return String(decoding: bytes, as: UTF8.self)
        }
        XCTAssertEqual(text(10..<20).trimmingCharacters(in: .whitespaces), "SN 42")
        XCTAssertEqual(text(23..<27).trimmingCharacters(in: .whitespaces), "fw1")
        XCTAssertEqual(Array(words[IdentifyWord.sectors28]), [2048, 0])
        try bench.end()
    }

    func testDMAMovesTheRightBytesOnEveryEngine() throws {
        let kinds = [
            "engine=io_uring", "engine=libaio", "engine=threads", "engine=io_uring,direct=off",
            "engine=threads,direct=off", "engine=auto",
        ]
        for kind in kinds {
            for options in [
                [], ["--force-bounce"], ["--bounce-limit", "512", "--dma-cache", "off"],
            ] {
                try moveBytes(["--drive", "\(disk),\(kind)"] + options)
            }
        }
    }

    private func moveBytes(_ options: [String]) throws {
        let bench = try Bench(options, size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        _ = try bench.qmp.run("x-dirty-pages", ["clear": true])
        // In pieces of odd places and lengths, of which only the sum is whole sectors.
        let pieces: [(address: UInt32, length: UInt32)] = [
            (0x10_0002, 300), (0x11_0000, 4096), (0x12_0ffe, 212), (0x13_0000, 512),
        ]
        let read = try driver.transfer(
            .primaryMaster, Opcode.readDMA, at: 100, count: 10, memory: pieces)
        XCTAssertEqual(
            read, .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt),
            "\(options)")
        var bytes: [UInt8] = []
        for piece in pieces {
            bytes += try bench.qtest.read(UInt64(piece.address), Int(piece.length))
        }
        XCTAssertTrue(bytes == Bench.content(of: 100..<110), "\(options)")
        // 8 is the descriptor table, written by the test.
        XCTAssertEqual(
            try bench.qmp.run("x-dirty-pages", ["clear": true]) as? [Int],
            [0x8, 0x100, 0x110, 0x120, 0x121, 0x130], "\(options)")

        let write = try driver.transfer(
            .primaryMaster, Opcode.writeDMA, at: 1000, count: 10, memory: pieces)
        XCTAssertEqual(
            write, .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt),
            "\(options)")
        XCTAssertEqual(try bench.qmp.statistic("rd_bytes", of: "primary-master"), 5120)
        XCTAssertEqual(try bench.qmp.statistic("rd_operations", of: "primary-master"), 1)
        XCTAssertEqual(try bench.qmp.statistic("wr_bytes", of: "primary-master"), 5120)
        XCTAssertEqual(try bench.qmp.statistic("fua_operations", of: "primary-master"), 0)
        if options.contains("--force-bounce") {
            XCTAssertGreaterThanOrEqual(
                try bench.qmp.statistic("bounced_bytes", of: "primary-master"), 10240)
            XCTAssertEqual(try bench.qmp.statistic("direct_bytes", of: "primary-master"), 0)
        }
        try bench.end()
        XCTAssertTrue(try bench.medium(1000..<1010) == Bench.content(of: 100..<110), "\(options)")
        XCTAssertTrue(try bench.medium(999..<1000) == Bench.content(of: 999..<1000), "\(options)")
        XCTAssertTrue(try bench.medium(1010..<1011) == Bench.content(of: 1010..<1011), "\(options)")
    }

    func testWholePagesAreNotCopied() throws {
        let bench = try Bench(["--drive", disk], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        let end = try driver.transfer(
            .primaryMaster, Opcode.readDMA, at: 64, count: 16,
            memory: [(0x10_0000, 4096), (0x20_0000, 4096)])
        XCTAssertEqual(
            end, .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt))
        XCTAssertEqual(try bench.qmp.statistic("direct_bytes", of: "primary-master"), 8192)
        XCTAssertEqual(try bench.qmp.statistic("bounced_bytes", of: "primary-master"), 0)
        try bench.end()
    }

    func testAReadOnlyDiskIsNotWritten() throws {
        let bench = try Bench(["--drive", disk + ",readonly=on"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        // ABRT (ATA/ATAPI-6 8.45.6)
        try driver.issue(.primaryMaster, Opcode.writeDMA, at: 8, count: 8)
        XCTAssertEqual(try driver.wait(.primaryMaster, interrupt: true), DriveStatus.failed)
        XCTAssertEqual(try bench.qtest.inb(IDEPort.error), DriveError.aborted)
        _ = try bench.qtest.inb(IDEPort.status)
        XCTAssertEqual(
            try driver.transfer(
                .primaryMaster, Opcode.readDMA, at: 8, count: 8, memory: [(0x10_0000, 4096)]
            ).status, DriveStatus.idle)
        XCTAssertEqual(try bench.qtest.read(0x10_0000, 4096), Bench.content(of: 8..<16))
        try bench.end()
        XCTAssertEqual(try bench.medium(8..<16), Bench.content(of: 8..<16))
    }

    /// Two drives share a channel, and what bounces is counted for the one it was moved for.
    func testDrivesOfAChannelAreCountedApart() throws {
        let slots = ["primary-master", "primary-slave"]
        let bench = try Bench(
            ["--drive", disk, "--drive", "primary-slave=DIR/other.img", "--force-bounce"],
            size: 1 << 20, other: "other.img")
        let driver = try IDEDriver(bench.qtest)
        for (place, count) in [
            (IDEDriver.Place.primarySlave, UInt8(2)), (.primaryMaster, 8), (.primarySlave, 4),
        ] {
            let end = try driver.transfer(
                place, Opcode.readDMA, at: 0, count: count,
                memory: [(0x10_0000, UInt32(count) * 512)])
            XCTAssertEqual(
                end, .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt)
            )
        }
        XCTAssertEqual(
            try slots.map { try bench.qmp.statistic("bounced_bytes", of: $0) }, [4096, 3072])
        XCTAssertEqual(
            try slots.map { try bench.qmp.statistic("rd_bytes", of: $0) }, [4096, 3072])
        XCTAssertEqual(try slots.map { try bench.qmp.statistic("direct_bytes", of: $0) }, [0, 0])
        try bench.end()
    }

    func testProgrammedInputAndOutput() throws {
        let bench = try Bench(["--drive", "primary-slave=DIR/disk.img"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        let place = IDEDriver.Place.primarySlave
        try driver.issue(place, Opcode.readSectors, at: 7)
        XCTAssertEqual(try driver.wait(place, interrupt: true), DriveStatus.wantsData)
        var bytes: [UInt8] = []
        for _ in 0..<128 {
            let word = try bench.qtest.inl(place.base)
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
        }
        XCTAssertEqual(bytes, Bench.content(of: 7..<8))
        XCTAssertEqual(try bench.qtest.inb(place.base + CommandBlock.status), DriveStatus.idle)

        try driver.issue(place, Opcode.writeSectors, at: 8)
        XCTAssertEqual(try driver.wait(place), DriveStatus.wantsData)
        XCTAssertFalse(bench.qtest.raised.contains(14), "no interrupt before the first block")
        for index in 0..<256 {
            try bench.qtest.outw(place.base, UInt16(0x0100 &* (index & 255) | 7))
        }
        XCTAssertEqual(try driver.wait(place, interrupt: true), DriveStatus.idle)
        try bench.end()
        let expected: [UInt8] = (0..<256).flatMap { [7, UInt8($0)] }
        XCTAssertEqual(try bench.medium(8..<9), expected)
    }

    /// The line of an interrupt precedes the answer of the command that caused it.
    func testInterruptsPrecedeTheAnswer() throws {
        let bench = try Bench(["--drive", disk], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        let place = IDEDriver.Place.primaryMaster
        try driver.issue(place, Opcode.checkPowerMode)  // It needs no medium.
        try driver.wait(place, interrupt: true)
        _ = try bench.qtest.inb(place.base + CommandBlock.status)
        bench.qtest.forgetTranscript()
        // An opcode that does not exist ends at once (ATA/ATAPI-6 6.2).
        try bench.qtest.outb(place.base + CommandBlock.command, 0xff)
        try bench.qtest.outb(place.control, 0)
        XCTAssertEqual(try bench.qtest.inb(place.base + CommandBlock.status), DriveStatus.failed)
        XCTAssertEqual(
            bench.qtest.transcript, ["IRQ raise 14", "OK", "OK", "IRQ lower 14", "OK 0x0041"])

        try driver.start(place, Opcode.readDMA, at: 0, count: 8, memory: [(0x10_0000, 4096)])
        bench.qtest.forgetTranscript()
        try driver.wait(place, interrupt: true)
        let raise = try XCTUnwrap(bench.qtest.transcript.firstIndex(of: "IRQ raise 14"))
        XCTAssertTrue(bench.qtest.transcript[(raise + 1)...].contains { $0.hasPrefix("OK") })
        try bench.end()
    }

    func testInterruptsAreToldOnlyToThoseWhoAsked() throws {
        let bench = try Bench(["--drive", disk], size: 1 << 20)
        try bench.qtest.outl(PCIPort.address, IDEDriver.address(PCIOffset.command))
        try bench.qtest.outw(PCIPort.data, PCICommandBits.io | PCICommandBits.busMaster)
        try bench.qtest.outb(IDEPort.command, 0xff)
        XCTAssertFalse(bench.qtest.transcript.contains { $0.hasPrefix("IRQ") })
        try bench.qtest.command("irq_intercept_in ioapic")
        XCTAssertEqual(bench.qtest.raised, [14], "a line that is high already is told at once")
        try bench.qtest.command("irq_intercept_in ioapic")
        XCTAssertEqual(bench.qtest.raiseCount[14], 1)
        _ = try bench.qtest.inb(IDEPort.status)
        XCTAssertEqual(bench.qtest.raised, [])
        try bench.end()
    }

    /// Completions arrive although the harness says nothing.
    func testAnInterruptComesWithoutACommand() throws {
        let bench = try Bench(["--drive", disk], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        try bench.qmp.run("x-hold", ["drive": "primary-master", "operation": "read"])
        try driver.start(
            .primaryMaster, Opcode.readDMA, at: 0, count: 8, memory: [(0x10_0000, 4096)])
        try bench.qmp.run("x-release", ["drive": "primary-master", "operation": "read"])
        XCTAssertEqual(try bench.qtest.socket.line(), "IRQ raise 14")
        try bench.end()
    }
}
