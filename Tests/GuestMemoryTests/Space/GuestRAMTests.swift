import CTestSupport
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Memory of the guest's: its own, or that of a file.
final class GuestRAMTests: XCTestCase {
    private func assertRefuses(
        _ code: GuestMemoryError.Code, line: UInt = #line, _ body: () throws -> GuestRAM
    ) {
        XCTAssertThrowsError(_ = try body(), line: line) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, code, line: line)
        }
    }

    func testSizesAreWholePages() throws {
        for size in [0, -4096, 1, 4095, 4097, .max, .min] {
            assertRefuses(.invalidSize) { try GuestRAM(size: size) }
            assertRefuses(.invalidSize) { try GuestRAM(size: size, sharing: .descriptor) }
        }
        let ram = try GuestRAM(size: 3 * 4096)
        XCTAssertEqual(ram.size, 3 * 4096)
        XCTAssertEqual(ram.dirtyLog.pageCount, 3)
        XCTAssertEqual(ram.descriptor, -1)
        assertBytes(ram.bytes(0..<ram.size), [UInt8](repeating: 0, count: ram.size))
    }

    func testMemoryOfAFileIsSharedFromAnOffsetOn() throws {
        let whole = try GuestRAM(size: 4 * 4096, sharing: .descriptor)
        let part = try GuestRAM(descriptor: whole.descriptor, offset: 4096, size: 2 * 4096)
        XCTAssertEqual(part.descriptor, -1)
        whole.put(pattern(8192), at: 4096)
        assertBytes(part.bytes(0..<8192), pattern(8192))
        part.put([1, 2, 3], at: 8189)
        assertBytes(whole.bytes(4096 + 8189..<3 * 4096 + 1), [1, 2, 3, 0])
        // Whom the file belongs to, each keeps its own.
        XCTAssertEqual(part.dirtyLog.pageCount, 2)
    }

    func testTheFileMayBeClosedByItsOwner() throws {
        var part: GuestRAM?
        do {
            let whole = try GuestRAM(size: 4096, sharing: .descriptor)
            whole.put([42])
            part = try GuestRAM(descriptor: whole.descriptor, size: 4096)
        }
        XCTAssertEqual(part?.bytes(0..<1), [42])
    }

    /// A sparse file may be larger than what its pages' log can be: an error, and nothing stays.
    func testAFileMayBeTooLargeForItsLog() throws {
        let file = Descriptor(try SystemCall.check(cts_memfd(4096), "memfd_create"))
        XCTAssertEqual(ftruncate(file.raw, 1 << 46), 0)
        func fits() -> Bool { (try? GuestRAM(descriptor: file.raw, size: 1 << 46)) != nil }
        let fittedBefore = fits()
        var limit = rlimit()
        XCTAssertEqual(getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit), 0)
        var less = limit
        less.rlim_cur = 1 << 46 + 1 << 30
        XCTAssertEqual(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &less), 0)
        assertRefuses(.system) { try GuestRAM(descriptor: file.raw, size: 1 << 46) }
        assertRefuses(.system) { try GuestRAM(descriptor: file.raw, size: 1 << 46) }
        XCTAssertEqual(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit), 0)
        XCTAssertEqual(fits(), fittedBefore)
    }

    func testAFileMustBeLongEnough() throws {
        let whole = try GuestRAM(size: 2 * 4096, sharing: .descriptor)
        assertRefuses(.invalidRegion) {
            try GuestRAM(descriptor: whole.descriptor, offset: 4096, size: 8192)
        }
        assertRefuses(.invalidRegion) {
            try GuestRAM(descriptor: whole.descriptor, offset: .max & ~4095, size: 8192)
        }
        assertRefuses(.invalidSize) {
            try GuestRAM(descriptor: whole.descriptor, offset: 512, size: 4096)
        }
        assertRefuses(.system) { try GuestRAM(descriptor: -1, size: 4096) }
        XCTAssertEqual(try GuestRAM(descriptor: whole.descriptor, size: 8192).size, 8192)
    }

    /// As with mmap(2): libblkio shares files that do not end with a page.
    func testAFileMayEndInTheLastPage() throws {
        let file = Descriptor(try SystemCall.check(cts_memfd(4096 + 100), "memfd_create"))
        let ram = try GuestRAM(descriptor: file.raw, size: 8192)
        ram.base.storeBytes(of: 0x5A, toByteOffset: 4096 + 99, as: UInt8.self)
        ram.base.storeBytes(of: 0x5A, toByteOffset: 8191, as: UInt8.self)
        var byte: UInt8 = 0
        XCTAssertEqual(pread(file.raw, &byte, 1, 4096 + 99), 1)
        XCTAssertEqual(byte, 0x5A)
        assertRefuses(.invalidRegion) { try GuestRAM(descriptor: file.raw, size: 12288) }
        assertRefuses(.invalidRegion) {
            try GuestRAM(descriptor: file.raw, offset: 8192, size: 4096)
        }
    }

    /// The kernel answers EFAULT where a wild access of ours would be SIGSEGV.
    func testThePagesAroundItAreInaccessible() throws {
        for sharing in [GuestRAM.Sharing.private, .descriptor] {
            let ram = try GuestRAM(size: 4096, sharing: sharing)
            let pipe = try Descriptor.pipe()
            for (place, isInside) in [(-1, false), (0, true), (4095, true), (4096, false)] {
                let count = write(pipe.writing.raw, ram.base + place, 1)
                XCTAssertEqual(count, isInside ? 1 : -1, "\(sharing) at \(place)")
                if !isInside { XCTAssertEqual(errno, EFAULT) }
            }
        }
    }

    func testItIsUnmappedWhenNothingRefersToIt() throws {
        let space = try AddressSpace()
        weak var memory: GuestRAM?
        var mapped: MappedRegion?
        do {
            let ram = try GuestRAM(size: 4096)
            memory = ram
            mapped = try space.map(.ram(ram), at: 0)
        }
        XCTAssertNotNil(memory)
        if let region = mapped { try space.unmap(region) }
        mapped = nil
        XCTAssertNil(memory)
    }
}
