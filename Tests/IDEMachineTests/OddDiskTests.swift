import XCTest

@testable import TestSupport

/// A disk whose file does not fill its last sector.
final class OddDiskTests: XCTestCase {
    private let place = IDEDriver.Place.primaryMaster
    private let page: [(address: UInt32, length: UInt32)] = [(0x10_0000, 512)]
    private let size = (1 << 20) - 100
    private let last: UInt32 = (1 << 11) - 1

    func testTheLastSectorIsFilledWithZeroesAndCannotBeWritten() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img,werror=report"], size: size)
        let driver = try IDEDriver(bench.qtest)
        let identity = try driver.identify(place)
        XCTAssertEqual(UInt32(identity[60]) | UInt32(identity[61]) << 16, last + 1)
        XCTAssertEqual(
            try driver.transfer(place, Opcode.readDMA, at: last, count: 1, memory: page).status,
            DriveStatus.idle)
        let whole = Bench.content(of: Int(last)..<Int(last) + 1)
        XCTAssertEqual(
            try bench.qtest.read(0x10_0000, 512), whole[..<412] + [UInt8](repeating: 0, count: 100))
        let end = try driver.transfer(place, Opcode.writeDMA, at: last, count: 1, memory: page)
        XCTAssertEqual(end.status & DriveStatus.errorBit, DriveStatus.errorBit)
        let (name, data) = try bench.qmp.event()
        XCTAssertEqual(name, "BLOCK_IO_ERROR")
        XCTAssertEqual(data["nospace"] as? Bool, true)
        XCTAssertEqual(try bench.medium(Int(last)..<Int(last) + 1), Array(whole[..<412]))
        // The sector before is like any other.
        XCTAssertEqual(
            try driver.transfer(place, Opcode.writeDMA, at: last - 1, count: 1, memory: page)
                .status, DriveStatus.idle)
        try bench.end()
    }

    /// The default policy stops the machine, as for a file system without room; when the file has become
    /// long enough, the write runs again.
    func testALongerFileLetsTheWriteGoOn() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: size)
        let driver = try IDEDriver(bench.qtest)
        try driver.start(place, Opcode.writeDMA, at: last, count: 1, memory: page)
        XCTAssertEqual(try bench.qmp.event().name, "BLOCK_IO_ERROR")
        XCTAssertEqual(try bench.qmp.event().name, "STOP")
        XCTAssertEqual(truncate(bench.directory.path("disk.img"), 1 << 20), 0)
        try bench.qmp.run("cont")
        XCTAssertEqual(try driver.finish(place).status, DriveStatus.idle)
        XCTAssertEqual(
            try bench.medium(Int(last)..<Int(last) + 1), [UInt8](repeating: 0, count: 512))
        try bench.end()
    }
}
