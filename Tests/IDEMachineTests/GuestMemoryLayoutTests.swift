import XCTest

@testable import TestSupport

/// --memory, --hole, --rom, --mmio: what the processor finds at which address.
final class GuestMemoryLayoutTests: XCTestCase {
    func testRAMEndsWhereItEnds() throws {
        let bench = try Bench(["--memory", "2"])
        let end: UInt64 = 2 << 20
        try bench.qtest.write(end - 2, [1, 2, 3, 4])
        XCTAssertEqual(try bench.qtest.read(end - 3, 6), [0, 1, 2, 0, 0, 0])
        XCTAssertEqual(try bench.qtest.load(0xffff_ffff_ffff_fff8, as: UInt64.self), 0)
        try bench.qtest.command("memset 0 0xffffffffffffffff 0x11")
        XCTAssertEqual(try bench.qtest.load(end - 8, as: UInt64.self), 0x1111_1111_1111_1111)
        try bench.end()
    }

    func testAHoleSwallowsWritesAndReadsAsZeroes() throws {
        let bench = try Bench(["--memory", "1", "--hole", "0x1003+5"])
        try bench.qtest.fill(0x1000, 16, 0xaa)
        XCTAssertEqual(
            try bench.qtest.read(0x1000, 12),
            [0xaa, 0xaa, 0xaa, 0, 0, 0, 0, 0, 0xaa, 0xaa, 0xaa, 0xaa])
        XCTAssertEqual(try bench.qtest.load(0x1000, as: UInt64.self), 0xaaaaaa)
        try bench.end()
    }

    func testROMKeepsWhatItHas() throws {
        let bench = try Bench(["--memory", "1", "--rom", "0x1000+0x800"])
        try bench.qtest.fill(0x0ff8, 0x810, 0xbb)
        XCTAssertEqual(
            try bench.qtest.read(0x0ff8, 16),
            Array(repeating: 0xbb, count: 8) + .init(repeating: 0, count: 8))
        XCTAssertEqual(
            try bench.qtest.read(0x17f8, 16),
            .init(repeating: 0, count: 8) + Array(repeating: 0xbb, count: 8))
        try bench.end()
    }

    func testMMIOKeepsItsBytesAtEveryWidthAndPlace() throws {
        let bench = try Bench(["--memory", "1", "--mmio", "0x200000+4096", "--mmio", "8193+6"])
        let bytes = (0..<64).map { UInt8($0) }
        try bench.qtest.write(0x200001, bytes)
        XCTAssertEqual(try bench.qtest.read(0x200001, 64), bytes)
        XCTAssertEqual(try bench.qtest.load(0x200002, as: UInt64.self), 0x0807_0605_0403_0201)
        try bench.qtest.store(0x200003, UInt32(0xaabb_ccdd))
        XCTAssertEqual(try bench.qtest.read(0x200002, 6), [1, 0xdd, 0xcc, 0xbb, 0xaa, 6])
        // One that begins and ends at odd addresses, in the middle of RAM.
        try bench.qtest.write(8190, Array(1...12))
        XCTAssertEqual(try bench.qtest.read(8190, 12), Array(1...12))
        XCTAssertEqual(try bench.qtest.read(0x200fff, 2), [0, 0])
        try bench.end()
    }

    func testDirtyPagesAreTheWrittenOnes() throws {
        let bench = try Bench([
            "--memory", "1", "--hole", "0x4000+0x1000", "--rom", "0x6000+0x1000", "--mmio",
            "0x8000+0x1000",
        ])
        func dirty(clear: Bool) throws -> [Int] {
            try XCTUnwrap(try bench.qmp.run("x-dirty-pages", ["clear": clear]) as? [Int])
        }
        XCTAssertEqual(try dirty(clear: true), [])
        try bench.qtest.fill(0x0fff, 2, 1)
        try bench.qtest.fill(0x3000, 0x6000, 2)
        try bench.qtest.store(0xfffff, UInt8(3))
        _ = try bench.qtest.read(0x20000, 64)
        XCTAssertEqual(try dirty(clear: false), [0, 1, 3, 5, 7, 255])
        XCTAssertEqual(try dirty(clear: true), [0, 1, 3, 5, 7, 255])
        XCTAssertEqual(try dirty(clear: true), [])
        try bench.end()
    }
}
