import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// A DMA controller that reverses words: everything passes through bounce buffers, and no
/// word is torn wherever a transfer is cut.
/// See docs/guest-memory.md, D10.
final class ResolverByteSwapperTests: XCTestCase {
    private func swapped(_ bytes: [UInt8], width: Int) -> [UInt8] {
        stride(from: 0, to: bytes.count, by: width).flatMap { bytes[$0..<$0 + width].reversed() }
    }

    /// Transfers both ways and compares with words reversed one by one.
    private func check(
        _ space: AddressSpace, _ list: [(GuestAddress, UInt64)], width: Int, limit: Int? = nil,
        _ what: String = "", line: UInt = #line
    ) throws {
        let total = list.reduce(0) { $0 + Int($1.1) }
        let mapper = try DMAMapper(
            space, resolvers: [ByteSwapper(width: width)],
            options: DMAOptions(bounceLimit: limit))
        let content = pattern(total, seed: width)
        var device = MemoryDevice(content)
        let elements = ScatterGatherList(list.map { ($0.0, $0.1) })
        XCTAssertEqual(
            device.carryOut(elements, .fromDevice, on: mapper)?.outcome, .success, line: line)
        let stored = try list.flatMap { try space.bytes(at: $0.0, count: Int($0.1)) }
        assertBytes(stored, swapped(content, width: width), "width \(width) \(what)", line: line)

        device.medium = [UInt8](repeating: 0, count: total)
        XCTAssertEqual(
            device.carryOut(elements, .toDevice, on: mapper)?.outcome, .success, line: line)
        assertBytes(device.medium, content, "width \(width), back \(what)", line: line)
        XCTAssertEqual(mapper.statistics.directBytes, 0, line: line)
        XCTAssertEqual(mapper.statistics.bouncedBytes, UInt64(2 * total), line: line)
    }

    func testWordsAreReversed() throws {
        for width in [2, 4, 8] {
            let guest = try Guest()
            try check(guest.space, [(0x1000, 4096), (0x8008, 24), (0x20000, 65536)], width: width)
            XCTAssertEqual(guest.takeDirty(), [[1, 8] + Array(32..<48), [], []])
        }
    }

    func testPiecesDoNotTearWords() throws {
        let guest = try Guest()
        // Of 4 and 12 bytes, so that 512 bytes end within an element.
        let list = (0..<200).map { index -> (GuestAddress, UInt64) in
            (GuestAddress(index) * 4096, index % 2 == 0 ? 4 : 12)
        }
        try check(guest.space, list, width: 4, limit: 512)
        try check(guest.space, [(8, 8), (64, 65536), (0x30000, 504)], width: 8, limit: 512)
    }

    func testBordersOfRegionsDoNotTearWords() throws {
        let space = try AddressSpace()
        let parts = try [0x1002, 0x1001, 0x1005].map { (try GuestRAM(size: 8192), $0) }
        var address: GuestAddress = 0
        for (ram, size) in parts {
            ram.dirtyLog.start(.migration)
            try space.map(.ram(ram, size: size), at: address)
            address &+= UInt64(size)
        }
        for limit in [512, nil] {
            try check(space, [(0xff8, 16), (0x1ff8, 0x1000)], width: 8, limit: limit, "RAM")
            try check(space, [(0x1000, 4)], width: 4, limit: limit, "within a word")
        }
        XCTAssertEqual(parts.map { $0.0.dirtyLog.takePages() }, [[0, 1], [0, 1], [0]])

        let device = ByteStore(size: 4096)
        try space.map(.mmio(device, size: 4096), at: 0x4002)
        try space.map(.ram(parts[0].0), at: 0x3008)
        try check(space, [(0x3ff8, 24)], width: 8, "RAM and registers")
    }

    func testWordsOnly() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space, resolvers: [ByteSwapper(width: 4)])
        for (list, address) in [
            ([(0x1002, 4)], 0x1002), ([(0x1000, 8), (0x2000, 6)], 0x2000),
        ] as [([(GuestAddress, UInt64)], GuestAddress)] {
            let elements = ScatterGatherList(list.map { ($0.0, $0.1) })
            XCTAssertThrowsError(try mapper.map(elements, .toDevice).unmap()) {
                XCTAssertEqual(($0 as? GuestMemoryError)?.code, .misaligned)
                XCTAssertEqual(($0 as? GuestMemoryError)?.address, address)
            }
        }
        for width in [-2, 0, 1, 3, 16] { XCTAssertThrowsError(try ByteSwapper(width: width)) }
    }
}
