import XCTest

@testable import TestSupport

/// How a machine ends, and what the image has then.
final class LifetimeTests: XCTestCase {
    private let disk = "primary-master=DIR/disk.img"
    private let place = IDEDriver.Place.primaryMaster

    /// Runs `end` while a write is under way that the host does not get to see before.
    private func assertWriteIsCarriedOut(_ end: (Bench) throws -> Void) throws {
        let bench = try Bench(["--drive", disk], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        try bench.qtest.fill(0x10_0000, 4096, 0x3c)
        try bench.qmp.run("x-hold", ["drive": "primary-master", "operation": "write"])
        try driver.start(place, Opcode.writeDMA, at: 8, count: 8, memory: [(0x10_0000, 4096)])
        XCTAssertEqual(try driver.alternateStatus(place) & DriveStatus.busy, DriveStatus.busy)
        XCTAssertEqual(try bench.medium(8..<16), Bench.content(of: 8..<16))
        try end(bench)
        let (status, errors) = try bench.machine.end()
        XCTAssertEqual(status, 0, errors)
        XCTAssertEqual(errors, "")
        XCTAssertEqual(try bench.medium(8..<16), [UInt8](repeating: 0x3c, count: 4096))
        XCTAssertEqual(try bench.medium(0..<8), Bench.content(of: 0..<8))
        XCTAssertEqual(try bench.medium(16..<17), Bench.content(of: 16..<17))
    }

    func testTheEndOfTheQtestSocket() throws {
        try assertWriteIsCarriedOut { $0.qtest.socket.close() }
    }

    func testTheEndOfTheQMPSocket() throws {
        try assertWriteIsCarriedOut { $0.qmp.socket.close() }
    }

    func testQuit() throws {
        try assertWriteIsCarriedOut { try $0.qmp.run("quit") }
    }

    func testSIGTERM() throws {
        try assertWriteIsCarriedOut { $0.machine.signal(SIGTERM) }
    }

    func testAPeerThatVanishesInTheMiddleOfALine() throws {
        try assertWriteIsCarriedOut {
            try $0.qtest.socket.send("write 0x100000 4096 0x00".utf8)
            try $0.qmp.socket.send("{\"execute\": \"qu".utf8)
            $0.qtest.socket.close()
            $0.qmp.socket.close()
        }
    }

    func testAPeerThatVanishesWithoutReading() throws {
        try assertWriteIsCarriedOut {
            for _ in 0..<4 { try $0.qtest.send("read 0 0x100000") }
            $0.qtest.socket.close()
        }
    }

    /// More answers than are kept for a peer that is slow: this one never takes them.
    func testWhatAPeerSaidBeforeItVanishedIsCarriedOut() throws {
        let bench = try Bench(["--drive", disk], size: 1 << 20)
        // One piece of input, with a write of sector 8 by PIO at its end.
        var lines = [
            "outl \(PCIPort.address) \(IDEDriver.address(PCIOffset.command))",
            "outw \(PCIPort.data) \(PCICommandBits.io | PCICommandBits.busMaster)",
            "outb \(IDEPort.deviceControl) \(DeviceControlBits.interruptDisable)",
        ]
        lines += Array(repeating: "read 0 0x100000", count: 8)
        lines += [
            "outb \(IDEPort.device) \(DeviceSelect.master | DeviceSelect.lba)",
            "outb \(IDEPort.count) 1", "outb \(IDEPort.lbaLow) 8", "outb \(IDEPort.lbaMid) 0",
            "outb \(IDEPort.lbaHigh) 0", "outb \(IDEPort.command) \(Opcode.writeSectors)",
        ]
        lines += Array(repeating: "outw \(IDEPort.data) 0x3c3c", count: 256)
        try bench.qtest.socket.send(lines.map { $0 + "\n" }.joined().utf8)
        bench.qtest.socket.close()
        let (status, errors) = try bench.machine.end()
        XCTAssertEqual(status, 0, errors)
        XCTAssertEqual(try bench.medium(8..<9), [UInt8](repeating: 0x3c, count: 512))
        XCTAssertEqual(try bench.medium(9..<10), Bench.content(of: 9..<10))
    }

    /// A request that an error policy keeps is not carried out, and keeps nobody.
    func testAStoppedRequestIsDropped() throws {
        let bench = try Bench(["--drive", disk + ",werror=stop"], size: 1 << 20)
        let driver = try IDEDriver(bench.qtest)
        try bench.qmp.run("x-fault", ["drive": "primary-master", "operation": "write"])
        try driver.start(place, Opcode.writeDMA, at: 8, count: 8, memory: [(0x10_0000, 4096)])
        XCTAssertEqual(try bench.qmp.event().name, "BLOCK_IO_ERROR")
        try bench.end()
        XCTAssertEqual(try bench.medium(8..<16), Bench.content(of: 8..<16))
    }

    func testTheMonitorIsOptional() throws {
        let directory = try TemporaryDirectory()
        let socket = try ListeningSocket(directory.path("qtest"))
        let machine = try MachineProcess(["--qtest", "unix:\(socket.path)"])
        let qtest = QtestClient(try socket.accept(from: machine))
        XCTAssertEqual(try qtest.command("endianness"), "little")
        qtest.socket.close()
        XCTAssertEqual(try machine.end().status, 0)
    }
}
