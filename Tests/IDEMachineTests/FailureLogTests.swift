import CTestSupport
import XCTest

@testable import TestSupport

/// What is done, and said, about failures of the host on a face that nobody can give commands to.
final class FailureLogTests: XCTestCase {
    private let pieces = [(address: 0x10000, size: 4096)]

    /// Whatever the machine writes past 64 KiB fails, with EFBIG.
    private func limitedBench(_ drive: String = "") throws -> VFIOBench {
        let bench = try VFIOBench(drive: drive)
        try SystemCall.check(
            cts_limit_file_size_of(bench.machine.process, 64 << 10), "RLIMIT_FSIZE")
        return bench
    }

    private func lines(_ bench: VFIOBench) throws -> [String] {
        bench.machine.signal(SIGTERM)
        let (status, errors) = try bench.machine.end()
        XCTAssertEqual(status, 0)
        return errors.split(separator: "\n").map(String.init).filter { $0.contains("failed") }
    }

    /// By default the guest is told, and its next commands work; the operator is told once.
    func testAFailedWriteIsReported() throws {
        let bench = try limitedBench()
        for sector: UInt8 in 200..<220 {
            try bench.start(Opcode.writeDMA, at: sector, count: 8, pieces)
            let end = try bench.finish()
            XCTAssertEqual(
                [end.status, end.busMaster], [DriveStatus.failed, BusMasterStatus.interrupt])
        }
        try bench.start(Opcode.writeDMA, at: 8, count: 8, pieces)
        XCTAssertEqual(try bench.finish().status, DriveStatus.idle)
        XCTAssertEqual(
            try lines(bench),
            [
                "ide-machine: primary-master: write failed: File too large; the guest is told. "
                    + "Further failures of this kind are not printed."
            ])
    }

    /// A policy that keeps the request: the operator is told why the guest waits.
    func testAKeptWriteIsSaid() throws {
        let bench = try limitedBench(",werror=stop")
        try bench.start(Opcode.writeDMA, at: 200, count: 8, pieces)
        // It stays busy; the reset of the channel ends it.
        usleep(20_000)
        XCTAssertEqual(try bench.alternateStatus & DriveStatus.busy, DriveStatus.busy)
        try bench.resetChannel()
        try eventually("the reset ends") { (try? bench.alternateStatus) == DriveStatus.idle }
        XCTAssertEqual(
            try lines(bench),
            [
                "ide-machine: primary-master: write failed: File too large; it waits until the "
                    + "guest resets the channel. Further failures of this kind are not printed."
            ])
    }

    /// The host is full: by the default policy of the other face the request would be kept.
    func testAFullHostIsReported() throws {
        let host = try orSkip(DetachedMount.tmpfs(size: 64 << 10))
        let file = Descriptor(
            try SystemCall.check(
                Descriptor.open(host.path("disk.img"), O_RDWR | O_CREAT), "disk.img"))
        XCTAssertEqual(ftruncate(file.raw, 1 << 20), 0)
        let bench = try VFIOBench(image: host.pathForChildren("disk.img"), drive: ",direct=off")
        var statuses: [UInt8] = []
        for sector in stride(from: UInt8(0), to: 160, by: 8) {
            try bench.start(Opcode.writeDMA, at: sector, count: 8, pieces)
            statuses.append(try bench.finish().status)
        }
        XCTAssertEqual(Set(statuses), [DriveStatus.idle, DriveStatus.failed])
        XCTAssertEqual(statuses.last, DriveStatus.failed)
        XCTAssertEqual(
            try lines(bench),
            [
                "ide-machine: primary-master: write failed: No space left on device; the guest is "
                    + "told. Further failures of this kind are not printed."
            ])
    }
}
