import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Guest memory that somebody else has allocated and will free.
final class BorrowedMemoryTests: XCTestCase {
    /// Pages of the test's own, all zeroes, freed when the test is over.
    private func pages(
        _ count: Int, _ protection: CInt = PROT_READ | PROT_WRITE
    ) throws -> UnsafeMutableRawBufferPointer {
        let size = count * 4096
        let base = mmap(nil, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base, base != MAP_FAILED else { throw FixtureError.failed("mmap: \(errno)") }
        addTeardownBlock { munmap(base, size) }
        return UnsafeMutableRawBufferPointer(start: base, count: size)
    }

    func testItIsGuestMemoryLikeOther() throws {
        let memory = try pages(4)
        let ram = try GuestRAM(borrowing: memory)
        XCTAssertEqual(ram.base, memory.baseAddress)
        XCTAssertEqual(ram.size, 4 * 4096)
        XCTAssertEqual(ram.descriptor, -1)
        XCTAssertEqual(ram.dirtyLog.pageCount, 4)
        ram.dirtyLog.start(.migration)
        let space = try AddressSpace()
        try space.map(.ram(ram), at: 0x8000)
        try space.put([1, 2, 3], at: 0x8FFF)
        XCTAssertEqual(Array(memory[0xFFF..<0x1003]), [1, 2, 3, 0])
        let mapper = try DMAMapper(space)
        var device = MemoryDevice(pattern(4096))
        XCTAssertEqual(
            device.carryOut(ScatterGatherList([(0xB000, 4096)]), .fromDevice, on: mapper),
            DMAResult(.success, 4096))
        XCTAssertEqual(device.vectors.map(\.iov_base), [ram.base + 3 * 4096])
        assertBytes(Array(memory[0x3000...]), device.medium)
        XCTAssertEqual(ram.dirtyLog.takePages(), [0, 1, 3])
    }

    func testItIsGivenBackWhenNothingUsesIt() throws {
        let memory = try pages(1)
        let returns = Locked(0)
        let space = try AddressSpace()
        let mapper = try DMAMapper(space)
        var ram: GuestRAM? = try GuestRAM(borrowing: memory) { returns.withLock { $0 += 1 } }
        var mapped: MappedRegion? = try space.map(.ram(XCTUnwrap(ram)), at: 0)
        ram = nil
        XCTAssertEqual(returns.current, 0)
        let (transfer, step) = mapper.begin(ScatterGatherList([(0, 512)]), .fromDevice)
        if let region = mapped { try space.unmap(region) }
        mapped = nil
        XCTAssertEqual(returns.current, 0, "a transfer is under way")
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        var device = MemoryDevice(pattern(512))
        _ = device.carryOut(piece, of: transfer)
        XCTAssertEqual(returns.current, 1)
        // Still the test's.
        assertBytes(Array(memory[..<512]), device.medium)
        memory[0] = 7
    }

    func testPlacesThatCannotBeBorrowed() throws {
        let memory = try pages(2)
        let returns = Locked(0)
        for (start, count) in [(0, 0), (0, 4095), (0, 4097), (1, 4096), (512, 4096), (4095, 4096)] {
            let part = UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + count])
            XCTAssertThrowsError(
                try GuestRAM(borrowing: part) { returns.withLock { $0 += 1 } }
            ) {
                XCTAssertEqual(($0 as? GuestMemoryError)?.code, .invalidSize, "\(start), \(count)")
            }
        }
        XCTAssertThrowsError(try GuestRAM(borrowing: .init(start: nil, count: 0)))
        XCTAssertEqual(returns.current, 0, "nothing was borrowed")
    }

    /// Without inaccessible pages between them: still two memories, each with its own log.
    func testNeighboursAreNotOne() throws {
        let memory = try pages(4)
        let halves = try [0, 1].map { half in
            let part = memory[half * 8192..<(half + 1) * 8192]
            return try GuestRAM(borrowing: UnsafeMutableRawBufferPointer(rebasing: part))
        }
        for ram in halves { ram.dirtyLog.start(.migration) }
        let space = try AddressSpace()
        try space.map(.ram(halves[0]), at: 0)
        try space.map(.ram(halves[1]), at: 8192)
        let mapper = try DMAMapper(space)
        for elements in [
            [(4096, 8192)], [(4096, 4096), (8192, 4096)],
            [(4096, 4096), (8192, 2048), (10240, 2048)],
        ] as [[(GuestAddress, UInt64)]] {
            var device = MemoryDevice(pattern(8192, seed: elements.count))
            XCTAssertEqual(
                device.carryOut(ScatterGatherList(elements), .fromDevice, on: mapper),
                DMAResult(.success, 8192))
            XCTAssertEqual(device.vectors.map(\.iov_len), [4096, 4096], "\(elements)")
            assertBytes(Array(memory[4096..<12288]), device.medium)
            XCTAssertEqual(halves.map { $0.dirtyLog.takePages() }, [[1], [0]], "\(elements)")
        }
    }

    /// The same bytes under two names: the last element wins, wherever it was named.
    func testOverlapsAreSeen() throws {
        let memory = try pages(2)
        let space = try AddressSpace()
        try space.map(.ram(try GuestRAM(borrowing: memory)), at: 0)
        try space.map(.ram(try GuestRAM(borrowing: memory)), at: 0x10000)
        var device = MemoryDevice(pattern(12288))
        XCTAssertEqual(
            device.carryOut(
                ScatterGatherList([(0x1000, 4096), (0x10000, 4096), (0x11000, 4096)]), .fromDevice,
                on: try DMAMapper(space)),
            DMAResult(.success, 12288))
        assertBytes(Array(memory), Array(device.medium[4096...]))
    }

    func testWhatCannotBeWrittenIsROM() throws {
        let memory = try pages(1, PROT_READ)
        let space = try AddressSpace()
        try space.map(.rom(try GuestRAM(borrowing: memory)), at: 0)
        try space.put([1], at: 0)
        let mapper = try DMAMapper(space)
        var device = MemoryDevice(pattern(4096))
        let list = ScatterGatherList([(0, 4096)])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper), DMAResult(.success, 4096))
        XCTAssertEqual(device.carryOut(list, .toDevice, on: mapper), DMAResult(.success, 4096))
        XCTAssertEqual(device.medium, [UInt8](repeating: 0, count: 4096))
        XCTAssertEqual(mapper.statistics.directBytes, 4096)
    }
}
