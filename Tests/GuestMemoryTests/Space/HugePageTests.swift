import CTestSupport
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Memory of a file whose pages are larger than the host's usual ones.
final class HugePageTests: XCTestCase {
    private static let page = HugePages.pageSize

    private func assertRefuses(
        _ code: GuestMemoryError.Code, line: UInt = #line, _ body: () throws -> GuestRAM
    ) {
        XCTAssertThrowsError(_ = try body(), line: line) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, code, line: line)
        }
    }

    /// Whether the kernel can read a byte there.
    private func isAccessible(_ address: UnsafeMutableRawPointer) throws -> Bool {
        let pipe = try Descriptor.pipe()
        return write(pipe.writing.raw, address, 1) == 1
    }

    func testWholeFilesAreMapped() throws {
        let pages = try orSkip(HugePages(count: 2))
        defer { pages.close() }
        let file = try pages.file(size: 2 * Self.page)
        let ram = try GuestRAM(descriptor: file.raw, size: 2 * Self.page)
        ram.dirtyLog.start(.migration)
        XCTAssertEqual(UInt(bitPattern: ram.base) % UInt(Self.page), 0)
        XCTAssertEqual(ram.dirtyLog.pageCount, 1024)
        let space = try AddressSpace()
        try space.map(.ram(ram), at: 0)
        try space.put([1, 2, 3], at: GuestAddress(Self.page) - 1)
        var device = MemoryDevice(pattern(8192))
        let mapper = try DMAMapper(space)
        XCTAssertEqual(
            device.carryOut(
                ScatterGatherList([(GuestAddress(2 * Self.page) - 8192, 8192)]), .fromDevice,
                on: mapper),
            DMAResult(.success, 8192))
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
        XCTAssertEqual(ram.dirtyLog.takePages(), [511, 512, 1022, 1023])
        let other = try GuestRAM(descriptor: file.raw, size: 2 * Self.page)
        assertBytes(other.bytes(Self.page - 1..<Self.page + 2), [1, 2, 3])
        assertBytes(other.bytes(2 * Self.page - 8192..<2 * Self.page), device.medium)
        XCTAssertFalse(try isAccessible(ram.base - 1))
        XCTAssertTrue(try isAccessible(ram.base + (2 * Self.page - 1)))
        XCTAssertFalse(try isAccessible(ram.base + 2 * Self.page))
    }

    /// As an emulator gives out what is below and above the video memory.
    func testPartsOfAFileAreMapped() throws {
        let pages = try orSkip(HugePages(count: 2))
        defer { pages.close() }
        let file = try pages.file(size: 2 * Self.page)
        let whole = try GuestRAM(descriptor: file.raw, size: 2 * Self.page)
        for (offset, size) in [
            (0, 0xA0000), (0xC0000, 0x40000), (4096, 4096), (Self.page - 4096, 8192),
            (2 * Self.page - 4096, 4096), (Self.page, Self.page),
        ] {
            let part = try GuestRAM(descriptor: file.raw, offset: offset, size: size)
            XCTAssertEqual(part.size, size)
            part.put(pattern(size, seed: size))
            assertBytes(
                whole.bytes(offset..<offset + size), pattern(size, seed: size), "\(offset)")
            let end = (offset + size + Self.page - 1) / Self.page * Self.page
            let start = offset / Self.page * Self.page
            XCTAssertFalse(try isAccessible(part.base - (offset - start) - 1), "\(offset)")
            XCTAssertFalse(try isAccessible(part.base + (end - offset)), "\(offset)")
        }
    }

    /// A huge page that has gone cannot be replaced by a small one: an access of the emulator's own costs
    /// all of the mapping, and then nothing of it may be taken for the guest's.
    func testAnAccessToAHugePageThatIsGoneLosesTheMapping() throws {
        let pages = try orSkip(HugePages(count: 2))
        defer { pages.close() }
        try GuestRAM.surviveTruncation()
        let file = try pages.file(size: 2 * Self.page)
        let ram = try GuestRAM(descriptor: file.raw, size: 2 * Self.page)
        let space = try AddressSpace()
        try space.map(.ram(ram), at: 0)
        try space.put([1, 2, 3], at: 0)
        try SystemCall.check(ftruncate(file.raw, Self.page), "ftruncate")
        XCTAssertEqual((ram.base + (Self.page + 8192)).load(as: UInt8.self), 0)
        var byte: UInt8 = 0xFF
        XCTAssertThrowsError(
            try withUnsafeMutableBytes(of: &byte) { try space.read(at: 0, into: $0) }
        ) { XCTAssertEqual(($0 as? GuestMemoryError)?.errno, EFAULT) }
    }

    /// fallocate(2) makes a file of huge pages as long as any number of bytes; a page that is not
    /// all of the file's cannot be touched.
    func testTheLastPageMustBeWhole() throws {
        let pages = try orSkip(HugePages(count: 2))
        defer { pages.close() }
        let file = try pages.file(size: Self.page)
        try SystemCall.check(cts_allocate(file.raw, UInt64(Self.page + 8192)), "fallocate")
        try SystemCall.check(cts_seal_shrink(file.raw), "F_ADD_SEALS")
        assertRefuses(.invalidRegion) {
            try GuestRAM(descriptor: file.raw, size: Self.page + 4096)
        }
        assertRefuses(.invalidRegion) {
            try GuestRAM(descriptor: file.raw, offset: Self.page, size: 4096)
        }
        let ram = try GuestRAM(descriptor: file.raw, size: Self.page)
        XCTAssertTrue(try isAccessible(ram.base + (Self.page - 1)))
        assertRefuses(.invalidSize) { try GuestRAM(descriptor: file.raw, size: 4095) }
        assertRefuses(.invalidSize) { try GuestRAM(descriptor: file.raw, offset: 512, size: 4096) }
    }
}
