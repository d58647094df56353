import CTestSupport
import XCTest

@testable import TestSupport

/// A guest that writes where this process may not make a file larger (RLIMIT_FSIZE): an error of the
/// write, on every engine, and no signal that ends the program.
final class FileSizeLimitTests: XCTestCase {
    private let slot = "primary-master"
    private let place = IDEDriver.Place.primaryMaster
    private let pages: [(address: UInt32, length: UInt32)] = [(0x10_0000, 4096)]

    func testAWritePastTheLimitIsAnError() throws {
        for engine in ["io_uring", "libaio", "threads"] {
            for direct in ["on", "off"] where engine != "libaio" || direct == "on" {
                try check(engine, direct)
            }
        }
    }

    private func check(_ engine: String, _ direct: String) throws {
        let name = "\(engine), direct=\(direct)"
        let bench = try Bench(
            ["--drive", "\(slot)=DIR/disk.img,engine=\(engine),direct=\(direct)"], size: 1 << 20)
        try SystemCall.check(
            cts_limit_file_size_of(bench.machine.process, 64 << 10), "RLIMIT_FSIZE")
        let driver = try IDEDriver(bench.qtest)
        try bench.qtest.command("memset 0x100000 0x1000 0x42")
        // Below the limit; then with the second half behind it, and wholly behind it.
        XCTAssertEqual(
            try driver.transfer(place, Opcode.writeDMA, at: 120, count: 8, memory: pages).status,
            DriveStatus.idle, name)
        for sector: UInt32 in [124, 128, 1000] {
            XCTAssertEqual(
                try driver.transfer(place, Opcode.writeDMA, at: sector, count: 8, memory: pages),
                .init(
                    status: DriveStatus.failed, error: DriveError.aborted,
                    busMaster: BusMasterStatus.interrupt), "\(name), sector \(sector)")
            let (event, data) = try bench.qmp.event()
            XCTAssertEqual(event, "BLOCK_IO_ERROR", name)
            XCTAssertEqual(data["action"] as? String, "report", name)
            XCTAssertEqual(data["reason"] as? String, "File too large", name)
        }
        XCTAssertTrue(bench.machine.isRunning, name)
        XCTAssertEqual(
            try driver.transfer(place, Opcode.readDMA, at: 128, count: 8, memory: pages).status,
            DriveStatus.idle, name)
        XCTAssertEqual(try bench.qtest.read(0x10_0000, 4096), Bench.content(of: 128..<136), name)
        try bench.end()
        XCTAssertEqual(
            try bench.medium(120..<124), [UInt8](repeating: 0x42, count: 2048), name)
        XCTAssertEqual(try bench.medium(128..<136), Bench.content(of: 128..<136), name)
    }
}
