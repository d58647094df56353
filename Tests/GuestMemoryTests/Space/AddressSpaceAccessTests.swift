import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// The slow path: reads, writes and fills across everything that can be at an address.
/// See docs/guest-memory.md, D12.
final class AddressSpaceAccessTests: XCTestCase {
    /// RAM, ROM, a ROM device, registers and RAM, a page each.
    private final class Row {
        let space: AddressSpace
        let memory: [GuestRAM]
        let flash = ByteStore(size: 4096)
        let registers = ByteStore(size: 4096)
        let base: GuestAddress

        init(base: GuestAddress = 0) throws {
            self.base = base
            space = try AddressSpace()
            memory = try (0..<4).map { seed in
                let ram = try GuestRAM(size: 4096)
                ram.put(pattern(4096, seed: seed))
                ram.dirtyLog.start(.migration)
                return ram
            }
            registers.bytes = pattern(4096, seed: 9)
            try space.map(.ram(memory[0]), at: base)
            try space.map(.rom(memory[1]), at: base + 4096)
            try space.map(.romDevice(memory[2], device: flash), at: base + 2 * 4096)
            try space.map(.mmio(registers, size: 4096), at: base + 3 * 4096)
            try space.map(.ram(memory[3]), at: base + 4 * 4096)
        }

        var content: [UInt8] {
            (0..<3).flatMap { memory[$0].bytes(0..<4096) } + registers.bytes
                + memory[3].bytes(0..<4096)
        }
    }

    func testReadsAcrossEveryKindOfRegion() throws {
        let row = try Row()
        let content = row.content
        for (start, count) in [(0, 5 * 4096), (5, 1), (4095, 2), (4000, 13_001), (12_287, 4098)] {
            try assertBytes(
                row.space.bytes(at: GuestAddress(start), count: count),
                Array(content[start..<start + count]), "\(count) bytes at \(start)")
        }
        XCTAssertEqual(row.flash.accesses, [], "a ROM device is asked for nothing that is read")
        XCTAssertEqual(row.memory.flatMap { $0.dirtyLog.takePages() }, [])
    }

    func testWritesAcrossEveryKindOfRegion() throws {
        let row = try Row()
        let rom = row.memory[1].bytes(0..<4096)
        let flash = row.memory[2].bytes(0..<4096)
        let data = pattern(4 * 4096, seed: 77)
        try row.space.put(data, at: 2048)
        assertBytes(row.memory[0].bytes(2048..<4096), Array(data[..<2048]))
        assertBytes(row.memory[1].bytes(0..<4096), rom)
        assertBytes(row.memory[2].bytes(0..<4096), flash)
        assertBytes(row.flash.bytes, Array(data[6144..<10_240]))
        assertBytes(row.registers.bytes, Array(data[10_240..<14_336]))
        assertBytes(row.memory[3].bytes(0..<2048), Array(data[14_336...]))
        assertBytes(row.memory[0].bytes(0..<2048), pattern(4096, seed: 0).dropLast(2048))
        assertBytes(row.memory[3].bytes(2048..<4096), Array(pattern(4096, seed: 3)[2048...]))
        XCTAssertEqual(row.memory.map { $0.dirtyLog.takePages() }, [[0], [], [], [0]])
    }

    func testFillsAcrossEveryKindOfRegion() throws {
        let row = try Row()
        let rom = row.memory[1].bytes(0..<4096)
        try row.space.fill(at: 4095, with: 0xa5, count: 3 * 4096 + 2)
        assertBytes(row.memory[0].bytes(4094..<4096), [pattern(4096)[4094], 0xa5])
        assertBytes(row.memory[1].bytes(0..<4096), rom)
        assertBytes(row.flash.bytes, [UInt8](repeating: 0xa5, count: 4096))
        assertBytes(row.registers.bytes, [UInt8](repeating: 0xa5, count: 4096))
        assertBytes(row.memory[3].bytes(0..<2), [0xa5, pattern(4096, seed: 3)[1]])
        XCTAssertEqual(row.memory.map { $0.dirtyLog.takePages() }, [[0], [], [], [0]])
    }

    func testNothingAtAllMayBeMoved() throws {
        let space = try AddressSpace()
        try space.put([], at: 5)
        try space.fill(at: .max, with: 1, count: 0)
        try assertBytes(space.bytes(at: .max, count: 0), [])
    }

    // MARK: Errors

    private func assertFault(
        _ code: GuestMemoryError.Code, at address: GuestAddress, _ what: String = "",
        line: UInt = #line, _ body: () throws -> Void
    ) {
        XCTAssertThrowsError(try body(), what, line: line) { error in
            let error = error as? GuestMemoryError
            XCTAssertEqual(error?.code, code, what, line: line)
            XCTAssertEqual(error?.address, address, what, line: line)
        }
    }

    func testStopsAtTheFirstHole() throws {
        let row = try Row()
        try row.space.map(.hole(size: 1), at: 4096 + 100, priority: 1)
        var target = [UInt8](repeating: 0, count: 8192)
        assertFault(.hole, at: 4196) {
            try target.withUnsafeMutableBytes { try row.space.read(at: 96, into: $0) }
        }
        assertBytes(Array(target[..<4100]), Array(row.content[96..<4196]))
        assertBytes(Array(target[4100...]), [UInt8](repeating: 0, count: 4092))
        assertFault(.hole, at: 4196) { try row.space.put(pattern(8192, seed: 5), at: 96) }
        assertBytes(row.memory[0].bytes(96..<4096), Array(pattern(8192, seed: 5)[..<4000]))
        assertFault(.hole, at: 4196) { try row.space.fill(at: 96, with: 7, count: 8192) }
        assertBytes(row.memory[0].bytes(96..<4096), [UInt8](repeating: 7, count: 4000))
        assertFault(.hole, at: 5 * 4096) {
            _ = try row.space.load(at: 5 * 4096 - 1, as: UInt16.self)
        }
        assertFault(.hole, at: 5 * 4096) { try row.space.store(UInt8(1), at: 5 * 4096) }
    }

    func testTheLastAddressIsOne() throws {
        let row = try Row(base: 0 &- 5 * 4096)
        let content = row.content
        try assertBytes(row.space.bytes(at: row.base, count: 5 * 4096), content)
        XCTAssertEqual(try row.space.load(at: .max, as: UInt8.self), content.last)
        try row.space.store(UInt16(0x1234), at: .max - 1)
        assertBytes(row.memory[3].bytes(4094..<4096), [0x34, 0x12])
        try row.space.fill(at: .max, with: 9, count: 1)
        assertBytes(row.memory[3].bytes(4095..<4096), [9])
    }

    func testAnAddressThatWrapsIsRefusedBeforeAnythingMoves() throws {
        let row = try Row(base: 0 &- 5 * 4096)
        let low = try GuestRAM(size: 4096)
        try row.space.map(.ram(low), at: 0)
        let before = row.content
        assertFault(.addressWraps, at: .max - 2) { try row.space.put(pattern(4), at: .max - 2) }
        assertFault(.addressWraps, at: .max - 2) {
            _ = try row.space.bytes(at: .max - 2, count: 4)
        }
        assertFault(.addressWraps, at: .max - 2) {
            try row.space.fill(at: .max - 2, with: 1, count: 4)
        }
        assertFault(.addressWraps, at: .max) { _ = try row.space.load(at: .max, as: UInt16.self) }
        assertFault(.addressWraps, at: 2) { try row.space.fill(at: 2, with: 1, count: .max) }
        assertBytes(row.content, before)
        assertBytes(low.bytes(0..<4096), [UInt8](repeating: 0, count: 4096))
    }

    // MARK: Lengths

    /// ROM swallows bytes without anybody touching them.
    func testLengthsOfMoreThan32Bits() throws {
        let size = 5 << 30
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 4096)
        try space.map(.rom(try GuestRAM(size: size)), at: 0x1000)
        try space.map(.ram(ram), at: 0x1000 + UInt64(size))
        try space.fill(at: 0x1000, with: 3, count: UInt64(size) + 5)
        assertBytes(ram.bytes(0..<6), [3, 3, 3, 3, 3, 0])

        let source = try GuestRAM(size: size + 4096)
        source.put(pattern(5), at: size)
        try space.write(
            at: 0x1000, from: UnsafeRawBufferPointer(start: source.base, count: size + 5))
        assertBytes(ram.bytes(0..<6), pattern(5) + [0])
        assertFault(.hole, at: 0x2000 + UInt64(size)) {
            try space.fill(at: 0x1000, with: 0, count: 1 << 63)
        }
    }

    /// What would come behind 2^64 does not come at 0.
    func testALongFillDoesNotGoRoundTheAddressSpace() throws {
        let space = try AddressSpace()
        let low = try GuestRAM(size: 4096)
        try space.map(.ram(low), at: 0)
        try space.map(.rom(try GuestRAM(size: 2 << 30)), at: 0 &- (2 << 30))
        assertFault(.addressWraps, at: 0 &- (2 << 30)) {
            try space.fill(at: 0 &- (2 << 30), with: 1, count: 2 << 30 + 1)
        }
        assertBytes(low.bytes(0..<4), [0, 0, 0, 0])
    }

    func testABufferMayEndBehindTheHoleThatStopsIt() throws {
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 4096)
        ram.put(pattern(4096))
        try space.map(.ram(ram), at: 0)
        let target = try GuestRAM(size: 4096)
        assertFault(.hole, at: 4096) {
            try space.read(
                at: 0, into: UnsafeMutableRawBufferPointer(start: target.base, count: 1 << 62))
        }
        assertBytes(target.bytes(0..<4096), pattern(4096))
    }

    // MARK: Devices

    private typealias Access = ByteStore.Access

    func testDevicesAreAccessedInAlignedStepsOfTheirWidths() throws {
        let expected: [Int: [(UInt64, Int)]] = [
            1: (3..<16).map { ($0, 1) },
            2: [(3, 1), (4, 2), (6, 2), (8, 2), (10, 2), (12, 2), (14, 2)],
            4: [(3, 1), (4, 4), (8, 4), (12, 4)],
            8: [(3, 1), (4, 4), (8, 8)],
        ]
        // Aligned is what is aligned in the region, wherever that is.
        for base: GuestAddress in [0x1000, 0x2001] {
            for (width, steps) in expected {
                let space = try AddressSpace()
                let store = ByteStore(size: 64)
                try space.map(.mmio(store, size: 64, maximumWidth: width), at: base)
                store.bytes = pattern(64)
                try assertBytes(
                    space.bytes(at: base + 3, count: 13), Array(pattern(64)[3..<16]))
                XCTAssertEqual(store.accesses, steps.map { Access(offset: $0.0, width: $0.1) })
                try space.put(pattern(13, seed: 3), at: base + 3)
                XCTAssertEqual(Array(store.bytes[3..<16]), pattern(13, seed: 3))
                XCTAssertEqual(
                    store.accesses.filter { $0.written != nil }.map(\.width), steps.map(\.1))
                try space.fill(at: base + 3, with: 0x81, count: 13)
                XCTAssertEqual(
                    Array(store.accesses.suffix(steps.count)),
                    steps.map {
                        Access(
                            offset: $0.0, width: $0.1,
                            written: 0x8181_8181_8181_8181 >> UInt64(64 - 8 * $0.1))
                    })
            }
        }
    }

    func testARefusedAccessStopsThere() throws {
        let space = try AddressSpace()
        let store = ByteStore(size: 64, refused: 9..<10)
        try space.map(.mmio(store, size: 64, maximumWidth: 2), at: 0x500)
        assertFault(.deviceRefused, at: 0x508) { _ = try space.bytes(at: 0x503, count: 20) }
        XCTAssertEqual(store.accesses.map(\.offset), [3, 4, 6])
        assertFault(.deviceRefused, at: 0x508) { try space.put(pattern(20), at: 0x503) }
        XCTAssertEqual(Array(store.bytes[..<10]), [0, 0, 0] + pattern(5) + [0, 0])
        assertFault(.deviceRefused, at: 0x508) { try space.fill(at: 0x503, with: 1, count: 20) }
        try space.store(UInt8(0xee), at: 0x508)
        XCTAssertEqual(store.bytes[8], 0xee)
    }

    func testIntegersAreLittleEndian() throws {
        let row = try Row()
        try row.space.store(0x0102_0304_0506_0708 as UInt64, at: 4092 - 2)
        assertBytes(row.memory[0].bytes(4090..<4096), [8, 7, 6, 5, 4, 3])
        try row.space.store(-2 as Int32, at: 3 * 4096 + 8)
        XCTAssertEqual(
            row.registers.accesses, [Access(offset: 8, width: 4, written: 0xffff_fffe)])
        XCTAssertEqual(try row.space.load(at: 3 * 4096 + 8, as: Int32.self), -2)
        // Over the border from registers to memory.
        try row.space.store(0xaabb_ccdd as UInt32, at: 4 * 4096 - 2)
        XCTAssertEqual(try row.space.load(at: 4 * 4096 - 2, as: UInt32.self), 0xaabb_ccdd)
        XCTAssertEqual(row.registers.bytes.suffix(2), [0xdd, 0xcc])
        assertBytes(row.memory[3].bytes(0..<2), [0xbb, 0xaa])
    }
}
