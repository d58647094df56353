import Dispatch
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// What is seen where regions overlap, and maps that change.
final class AddressSpaceMapTests: XCTestCase {
    /// A page of memory that is this byte all over.
    private func page(_ byte: UInt8, pages: Int = 1) throws -> GuestRAM {
        let ram = try GuestRAM(size: 4096 * pages)
        memset(ram.base, CInt(byte), ram.size)
        return ram
    }

    private func assertRefuses(
        _ code: GuestMemoryError.Code, line: UInt = #line, _ body: () throws -> Void
    ) {
        XCTAssertThrowsError(try body(), line: line) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, code, line: line)
        }
    }

    func testPriorityDecidesWhatIsSeen() throws {
        let space = try AddressSpace()
        let low = try GuestRAM(size: 65536)
        let high = try GuestRAM(size: 4096)
        try space.map(.ram(low), at: 0)
        let cover = try space.map(.ram(high), at: 0x2000, priority: 1)
        try space.map(.hole(size: 512), at: 0x5000, priority: 1)
        try space.store(UInt32(0xdead_beef), at: 0x2ffe)
        XCTAssertEqual(try space.load(at: 0x2ffe, as: UInt16.self), 0xbeef)
        XCTAssertEqual(try space.load(at: 0x3000, as: UInt16.self), 0xdead)
        assertBytes(high.bytes(0xffe..<0x1000), [0xef, 0xbe])
        assertBytes(low.bytes(0x3000..<0x3002), [0xad, 0xde])
        XCTAssertThrowsError(try space.load(at: 0x4ffe, as: UInt32.self)) {
            let error = $0 as? GuestMemoryError
            XCTAssertEqual(error?.code, .hole)
            XCTAssertEqual(error?.address, 0x5000)
        }
        try space.unmap(cover)
        XCTAssertEqual(try space.load(at: 0x2ffe, as: UInt32.self), 0xdead_0000)
    }

    func testOfEqualPrioritiesTheLastMappedIsSeen() throws {
        let space = try AddressSpace()
        let first = try space.map(.ram(try page(1)), at: 0)
        let second = try space.map(.ram(try page(2)), at: 0)
        try space.map(.ram(try page(3)), at: 0, priority: -1)
        XCTAssertEqual(try space.load(at: 0, as: UInt8.self), 2)
        try space.unmap(second)
        XCTAssertEqual(try space.load(at: 0, as: UInt8.self), 1)
        try space.unmap(first)
        XCTAssertEqual(try space.load(at: 0, as: UInt8.self), 3)
    }

    func testAliasesShowTheSameMemory() throws {
        let space = try AddressSpace()
        let ram = try page(0, pages: 4)
        ram.dirtyLog.start(.migration)
        try space.map(.ram(ram, offset: 4096), at: 0)
        try space.map(.ram(ram, size: 8192), at: 0x10_0000)
        try space.store(0x5566 as UInt16, at: 10)
        XCTAssertEqual(try space.load(at: 0x10_0000 + 4096 + 10, as: UInt16.self), 0x5566)
        XCTAssertEqual(ram.dirtyLog.takePages(), [1])
        assertRefuses(.hole) { _ = try space.load(at: 3 * 4096, as: UInt8.self) }
        assertRefuses(.hole) { _ = try space.load(at: 0x10_2000, as: UInt8.self) }
    }

    func testARegionMayBeSmallerThanAPage() throws {
        let space = try AddressSpace()
        let ram = try page(0)
        ram.put(pattern(4096))
        try space.map(.ram(ram, offset: 3, size: 5), at: 1001)
        try assertBytes(space.bytes(at: 1001, count: 5), Array(pattern(4096)[3..<8]))
        assertRefuses(.hole) { _ = try space.load(at: 1000, as: UInt8.self) }
        assertRefuses(.hole) { _ = try space.load(at: 1006, as: UInt8.self) }
    }

    func testWrongRegionsAreRefusedAndChangeNothing() throws {
        let space = try AddressSpace()
        let ram = try page(7)
        let store = ByteStore(size: 1)
        try space.map(.ram(ram), at: 0)
        for (region, base, code) in [
            (.ram(ram, size: 0), 0, .invalidRegion),
            (.ram(ram, size: -1), 0, .invalidRegion),
            (.ram(ram, size: 4097), 0, .invalidRegion),
            (.ram(ram, offset: 4096), 0, .invalidRegion),
            (.ram(ram, offset: 4097), 0, .invalidRegion),
            (.ram(ram, offset: -1, size: 1), 0, .invalidRegion),
            (.ram(ram, offset: 1, size: 4096), 0, .invalidRegion),
            (.rom(ram), .max - 4094, .invalidRegion),
            (.mmio(store, size: 0), 0, .invalidRegion),
            (.mmio(store, size: .max), 2, .invalidRegion),
            (.hole(size: 0), 0, .invalidRegion),
            (.mmio(store, size: 1, maximumWidth: 3), 0, .invalidOption),
            (.mmio(store, size: 1, maximumWidth: 16), 0, .invalidOption),
            (.romDevice(ram, device: store, maximumWidth: 0), 0, .invalidOption),
        ] as [(MemoryRegion, GuestAddress, GuestMemoryError.Code)] {
            assertRefuses(code) { try space.map(region, at: base, priority: 9) }
        }
        try assertBytes(space.bytes(at: 0, count: 4096), [UInt8](repeating: 7, count: 4096))
        try space.map(.mmio(store, size: .max), at: 1, priority: -1)
        try space.map(.rom(ram), at: .max - 4095)
        XCTAssertEqual(try space.load(at: .max, as: UInt8.self), 7)
    }

    func testBouncePoolsArePowersOfTwo() throws {
        for size in [0, -1, 1, 256, 511, 513, 3 << 20, 1 << 41, .min] {
            assertRefuses(.invalidOption) { _ = try AddressSpace(bounceLimit: size) }
        }
        for size in [512, 4096, 1 << 20, 1 << 30] {
            let pool = try AddressSpace(bounceLimit: size).bouncePool
            XCTAssertEqual(pool.size, size)
            XCTAssertEqual(pool.available, size)
        }
    }

    func testChangesBecomeVisibleTogetherOrNotAtAll() throws {
        let space = try AddressSpace()
        let old = try space.map(.ram(try page(1)), at: 0)
        let new = try page(2)
        assertRefuses(.invalidRegion) {
            try space.update { (changes) throws(GuestMemoryError) -> Void in
                changes.unmap(old)
                try changes.map(.ram(new), at: 0)
                try changes.map(.hole(size: 0), at: 0)
            }
        }
        XCTAssertEqual(try space.load(at: 0, as: UInt8.self), 1)
        let seen = try space.update { (changes) throws(GuestMemoryError) -> MappedRegion in
            changes.unmap(old)
            let mapped = try changes.map(.ram(new), at: 0)
            let byte = try space.load(at: 0, as: UInt8.self)
            XCTAssertEqual(byte, 1)
            return mapped
        }
        XCTAssertEqual(try space.load(at: 0, as: UInt8.self), 2)
        XCTAssertEqual(seen.base, 0)
    }

    func testWhatIsNotMappedCountsAsRemoved() throws {
        let space = try AddressSpace()
        let mapped = try space.map(.ram(try page(1)), at: 0)
        let calls = Locked(0)
        try space.unmap(mapped) { calls.withLock { $0 += 1 } }
        XCTAssertEqual(calls.current, 1)
        try space.unmap(mapped) { calls.withLock { $0 += 1 } }
        XCTAssertEqual(calls.current, 2)
    }

    /// One access sees one map, whatever others do to the space meanwhile.
    func testAnAccessSeesOneMap() throws {
        let space = try AddressSpace()
        let memory = try [1, 2].map { try page($0, pages: 3) }
        var mapped = try [0, 1, 2].map {
            try space.map(
                .ram(memory[0], offset: $0 * 4096, size: 4096), at: GuestAddress($0) * 4096)
        }
        let isOver = Locked(false)
        let torn = Locked<[[UInt8]]>([])
        let group = DispatchGroup()
        for _ in 0..<2 {
            DispatchQueue.global().async(group: group) {
                while !isOver.current {
                    guard let bytes = try? space.bytes(at: 4095, count: 4098) else { continue }
                    let ends = [bytes[0], bytes[1], bytes[4097]]
                    let isTorn = ends != [1, 1, 1] && ends != [2, 2, 2]
                    if isTorn { torn.withLock { $0.append(ends) } }
                }
            }
        }
        for round in 1...500 {
            let next = memory[round & 1]
            mapped = try space.update { (changes) throws(GuestMemoryError) -> [MappedRegion] in
                for region in mapped { changes.unmap(region) }
                var added: [MappedRegion] = []
                for page in 0..<3 {
                    added.append(
                        try changes.map(
                            .ram(next, offset: page * 4096, size: 4096),
                            at: GuestAddress(page) * 4096))
                }
                return added
            }
        }
        isOver.current = true
        group.wait()
        XCTAssertEqual(torn.current, [])
    }

    /// Maps that transfers hold use up the slots for them, and give them back.
    func testTooManyHeldMapsAreAnError() throws {
        let space = try AddressSpace()
        try space.map(.ram(try page(1)), at: 0)
        let mapper = try DMAMapper(space)
        let list = ScatterGatherList([(0, 4096)])
        var transfers: [DMATransfer] = []
        for _ in 0..<4095 {
            transfers.append(mapper.begin(list, .toDevice).0)
            try space.update { _ in }
        }
        transfers.append(mapper.begin(list, .toDevice).0)
        let late = try page(2)
        assertRefuses(.tooManyMaps) { try space.map(.ram(late), at: 1 << 41) }
        assertRefuses(.hole) { _ = try space.load(at: 1 << 41, as: UInt8.self) }
        _ = transfers.remove(at: 1234).pieceEnded(transferred: 4096, isSuccess: true)
        try space.map(.ram(late), at: 1 << 41)
        XCTAssertEqual(try space.load(at: 1 << 41, as: UInt8.self), 2)
        for transfer in transfers { _ = transfer.pieceEnded(transferred: 4096, isSuccess: true) }
        XCTAssertEqual(mapper.statistics.active, 0)
    }
}
