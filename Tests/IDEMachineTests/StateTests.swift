import XCTest

@testable import TestSupport

/// x-save and x-load: a controller moves from one machine to another.
final class StateTests: XCTestCase {
    private let place = IDEDriver.Place.primaryMaster
    private let drives = [
        "--drive", "primary-master=DIR/disk.img,rerror=stop", "--drive",
        "primary-slave=DIR/other.img",
    ]

    /// Everything a guest reads without changing it.
    private func registers(_ qtest: QtestClient) throws -> [UInt32] {
        var values: [UInt32] = []
        for offset in stride(from: UInt32(0), to: 256, by: 4) {
            try qtest.outl(PCIPort.address, 0x8000_0900 | offset)
            values.append(try qtest.inl(PCIPort.data))
        }
        for base: UInt16 in [ChannelPort.primary, ChannelPort.secondary] {
            for register in CommandBlock.error...CommandBlock.device {
                values.append(UInt32(try qtest.inb(base + register)))
            }
            values.append(UInt32(try qtest.inb(base + CommandBlock.control)))
        }
        for register in UInt16(0)..<16 {
            values.append(UInt32(try qtest.inb(IDEDriver.busMasterBase + register)))
        }
        return values
    }

    func testTheRestoredControllerIsTheSavedOne() throws {
        let first = try Bench(drives, size: 1 << 20, other: "other.img")
        let driver = try IDEDriver(first.qtest)
        let end = try driver.transfer(
            place, Opcode.readDMA, at: 40, count: 8, memory: [(0x10_0000, 4096), (0x20_0000, 512)])
        XCTAssertEqual(
            end.busMaster, BusMasterStatus.activeAndInterrupt,
            "a table that is longer than the command")
        try first.qtest.outb(place.base + CommandBlock.count, 0x34)
        try first.qtest.outb(place.base + CommandBlock.count, 0x12)
        try driver.issue(place, 0xff)  // fails, with an interrupt that nobody takes
        XCTAssertEqual(first.qtest.raised, [14])
        let saved = try registers(first.qtest)
        let state = first.directory.path("state")
        try first.qmp.run("x-save", ["path": state])
        XCTAssertEqual(try registers(first.qtest), saved, "saving changes nothing")
        try first.end()

        let second = try Bench(drives, in: first.directory, name: "2")
        try second.qtest.command("irq_intercept_in ioapic")
        try second.qmp.run("x-load", ["path": state])
        XCTAssertEqual(try registers(second.qtest), saved)
        XCTAssertEqual(second.qtest.raised, [14], "a line that was high is raised")
        XCTAssertEqual(try second.qtest.inb(place.base + CommandBlock.status), DriveStatus.failed)
        XCTAssertEqual(second.qtest.raised, [])
        try second.end()
    }

    func testACommandThatWaitsForItsStartGoesOnElsewhere() throws {
        let first = try Bench(drives, size: 1 << 20, other: "other.img")
        let driver = try IDEDriver(first.qtest)
        try driver.issue(place, Opcode.readDMA, at: 100, count: 8)
        try first.qmp.run("x-save", ["path": first.directory.path("state")])
        try first.end()

        let second = try Bench(drives, in: first.directory, name: "2")
        try second.qmp.run("x-load", ["path": second.directory.path("state")])
        try second.qtest.command("irq_intercept_in ioapic")
        try second.qtest.store(UInt64(IDEDriver.table), UInt32(0x30_0000))
        try second.qtest.store(UInt64(IDEDriver.table) + 4, UInt32(0x8000_1000))
        try second.qtest.outl(place.busMaster + BusMasterRegister.table, IDEDriver.table)
        try second.qtest.outb(place.busMaster, BusMasterCommand.startWritingMemory)
        let other = IDEDriver(afterLoad: second.qtest)
        XCTAssertEqual(
            try other.finish(place),
            .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt))
        XCTAssertEqual(try second.qtest.read(0x30_0000, 4096), Bench.content(of: 100..<108))
        try second.end()
    }

    func testAStoppedRequestRunsAgainElsewhere() throws {
        let first = try Bench(drives, size: 1 << 20, other: "other.img")
        let driver = try IDEDriver(first.qtest)
        try first.qmp.run("x-fault", ["drive": "primary-master", "operation": "read"])
        try driver.start(place, Opcode.readDMA, at: 60, count: 8, memory: [(0x10_0000, 4096)])
        XCTAssertEqual(try first.qmp.event().name, "BLOCK_IO_ERROR")
        XCTAssertEqual(try first.qmp.event().name, "STOP")
        try first.qmp.run("x-save", ["path": first.directory.path("state")])
        let table = try first.qtest.read(UInt64(IDEDriver.table), 8)
        try first.end()

        let second = try Bench(drives, in: first.directory, name: "2")
        try second.qtest.write(UInt64(IDEDriver.table), table)
        try second.qtest.command("irq_intercept_in ioapic")
        try second.qmp.run("x-load", ["path": second.directory.path("state")])
        let other = IDEDriver(afterLoad: second.qtest)
        XCTAssertEqual(try other.alternateStatus(place) & DriveStatus.busy, DriveStatus.busy)
        try second.qmp.run("cont")
        XCTAssertEqual(
            try other.finish(place),
            .init(status: DriveStatus.idle, error: 0, busMaster: BusMasterStatus.interrupt))
        XCTAssertEqual(try second.qtest.read(0x10_0000, 4096), Bench.content(of: 60..<68))
        try second.end()
    }

    func testWhatIsNoStateOfThisMachineIsRefused() throws {
        let first = try Bench(drives, size: 1 << 20, other: "other.img")
        let state = first.directory.path("state")
        try first.qmp.run("x-save", ["path": state])
        try first.end()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: state))

        let second = try Bench(drives, in: first.directory, name: "2")
        func assertRefused(_ data: Data, _ what: String) throws {
            let path = second.directory.path("broken")
            try data.write(to: URL(fileURLWithPath: path))
            let error = try second.qmp.error("x-load", ["path": path])
            XCTAssertTrue(error.1.hasPrefix("Cannot load"), "\(what): \(error)")
        }
        try assertRefused(Data(), "empty")
        try assertRefused(Data("nonsense".utf8), "nonsense")
        for length in stride(from: 1, to: bytes.count, by: max(1, bytes.count / 50)) {
            try assertRefused(bytes.prefix(length), "the first \(length) bytes")
        }
        XCTAssertEqual(try second.qmp.error("x-load", ["path": "/dev/zero"]).0, "GenericError")
        XCTAssertEqual(try second.qmp.error("x-load", ["path": "/tmp"]).0, "GenericError")
        try second.qmp.run("x-load", ["path": state])
        try second.end()

        let third = try Bench(
            ["--drive", "primary-master=DIR/disk.img"], in: first.directory, name: "3")
        XCTAssertEqual(try third.qmp.error("x-load", ["path": state]).0, "GenericError")
        try third.end()
    }
}
