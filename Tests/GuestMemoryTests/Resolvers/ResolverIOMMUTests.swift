import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Translations of a ``PageTableIOMMU`` (docs/guest-memory.md, D10), without a device behind it.
final class ResolverIOMMUTests: XCTestCase {
    private let ram: GuestRAM
    private let space: AddressSpace
    /// Behind the pages that tests map.
    private static let tables: GuestAddress = 0x80000

    required init(name: String, testClosure: @escaping XCTestCaseClosure) {
        // A test cannot begin without them.
        ram = try! GuestRAM(size: 4 << 20)
        space = try! AddressSpace()
        try! space.map(.ram(ram), at: 0)
        super.init(name: name, testClosure: testClosure)
    }

    private func tables(levels: Int = 4) -> ResolverPageTables {
        ResolverPageTables(in: space, at: Self.tables, levels: levels)
    }

    /// Where each piece of a list would be in RAM; the fault of one that cannot be mapped.
    private func places(
        _ list: [(GuestAddress, UInt64)], _ direction: DMADirection = .fromDevice,
        through iommu: PageTableIOMMU
    ) throws -> [[Int]] {
        let mapper = try DMAMapper(space, resolvers: [iommu])
        let mapping = try mapper.map(ScatterGatherList(list.map { ($0.0, $0.1) }), direction)
        let places = mapping.vectors.map { [ram.offset(of: $0.iov_base) ?? -1, $0.iov_len] }
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
        try mapping.unmap(written: 0)
        return places
    }

    private func assertFault(
        _ code: GuestMemoryError.Code, at address: GuestAddress, _ list: [(GuestAddress, UInt64)],
        _ direction: DMADirection = .fromDevice, through iommu: PageTableIOMMU,
        line: UInt = #line
    ) {
        XCTAssertThrowsError(try places(list, direction, through: iommu), line: line) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, code, line: line)
            XCTAssertEqual(($0 as? GuestMemoryError)?.address, address, line: line)
        }
    }

    // MARK: Pages

    func testPagesLeadWhereTheTablesSay() throws {
        let tables = tables()
        try tables.map(0x7000_0000_1000, to: 0x5000)
        try tables.map(0x7000_0000_2000, to: 0x6000)
        try tables.map(0x7000_0000_3000, to: 0x2000)
        XCTAssertEqual(
            try places([(0x7000_0000_1234, 0x2000)], through: tables.iommu()),
            [[0x5234, 0x1dcc], [0x2000, 0x234]], "neighbours are one, others are not")
    }

    func testLargePages() throws {
        let tables = tables()
        try tables.map(0x40_0000, to: 0x20_0000, level: 1)
        XCTAssertEqual(
            try places([(0x40_0000 + 0x12345, 0x6789)], through: tables.iommu()),
            [[0x20_0000 + 0x12345, 0x6789]])
        // Guest memory has only the beginning of the page of 1 GiB, which is an error of its own.
        try tables.map(0x1_4000_0000, to: 0, level: 2)
        XCTAssertEqual(
            try places([(0x1_4000_0000 + 0x33333, 0x101)], through: tables.iommu()),
            [[0x33333, 0x101]])
        assertFault(
            .hole, at: 0x1_4040_0000, [(0x1_4000_0000, 0x41_0000)], through: try tables.iommu())
        // The bits of the offset do not count in the entry of a large page.
        try tables.map(0x60_0000, to: 0x3f_f000, level: 1)
        XCTAssertEqual(
            try places([(0x60_0042, 1)], through: tables.iommu()), [[0x20_0042, 1]])
    }

    func testOnlyTwoLevelsHaveLargePages() throws {
        let tables = tables()
        // Bit 7 is ignored in an entry for 4 KiB, and reserved in one for 512 GiB.
        try tables.map(0x1000, to: 0x5080)
        let top = try tables.entry(for: 0x1000, level: 3)
        try space.store(space.load(at: top, as: UInt64.self) | 0x80, at: top)
        XCTAssertEqual(try places([(0x1ffe, 1)], through: tables.iommu()), [[0x5ffe, 1]])
    }

    func testAddressesAreAsWideAsTheTables() throws {
        for (levels, bits) in [(3, 39), (4, 48)] as [(Int, Int)] {
            let tables = ResolverPageTables(
                in: space, at: Self.tables + UInt64(levels) << 16, levels: levels)
            let last: GuestAddress = 1 << bits - 0x1000
            try tables.map(last, to: 0x3000)
            try tables.map(0, to: 0x4000)
            let iommu = try tables.iommu()
            XCTAssertEqual(try places([(last + 0xffe, 2)], through: iommu), [[0x3ffe, 2]])
            // One bit more would begin again at the first entry, which is there.
            assertFault(.notTranslated, at: 1 << bits, [(1 << bits, 1)], through: iommu)
            assertFault(.notTranslated, at: 1 << bits, [(last + 0xffe, 3)], through: iommu)
            assertFault(.notTranslated, at: .max, [(.max, 1)], through: iommu)
        }
    }

    // MARK: Rights

    func testRightsOfAllLevelsAreCombined() throws {
        for level in 0..<4 {
            let tables = tables()
            try tables.map(0x1000, to: 0x5000)
            let iommu = try tables.iommu()
            let list = [(0x1008, 16)] as [(GuestAddress, UInt64)]
            try tables.setRights(.read, for: 0x1000, level: level)
            XCTAssertEqual(try places(list, .toDevice, through: iommu), [[0x5008, 16]])
            assertFault(.notPermitted, at: 0x1008, list, .fromDevice, through: iommu)
            try tables.setRights(.write, for: 0x1000, level: level)
            XCTAssertEqual(try places(list, .fromDevice, through: iommu), [[0x5008, 16]])
            assertFault(.notPermitted, at: 0x1008, list, .toDevice, through: iommu)
            try tables.setRights([], for: 0x1000, level: level)
            assertFault(.notTranslated, at: 0x1008, list, .toDevice, through: iommu)
            memset(ram.base + Int(Self.tables.rawValue), 0, 1 << 16)
        }
    }

    func testRightsOfLargePages() throws {
        let tables = tables()
        try tables.map(0x40_0000, to: 0, .read, level: 1)
        let iommu = try tables.iommu()
        XCTAssertEqual(try places([(0x40_0000, 4)], .toDevice, through: iommu), [[0, 4]])
        assertFault(.notPermitted, at: 0x40_0000, [(0x40_0000, 4)], through: iommu)
    }

    // MARK: Faults

    func testAFaultNamesTheFirstAddressThatTheDeviceUsed() throws {
        let tables = tables()
        try tables.map(0x10000, to: 0x5000)
        try tables.map(0x11000, to: 0x6000)
        try tables.map(0x13000, to: 0x7000, .read)
        try tables.map(0x20000, to: 0x4000_0000)
        let iommu = try tables.iommu()
        assertFault(.notTranslated, at: 0x12000, [(0x10800, 0x2000)], through: iommu)
        assertFault(.notPermitted, at: 0x13004, [(0x10000, 16), (0x13004, 4)], through: iommu)
        assertFault(.hole, at: 0x20010, [(0x20010, 4)], through: iommu)
        assertFault(.addressWraps, at: .max - 1, [(.max - 1, 3)], through: iommu)
        assertFault(.emptyList, at: 0, [], through: iommu)
        assertFault(.zeroLength, at: 0x10000, [(0x10000, 0)], through: iommu)
    }

    func testTablesThatAreNotMemoryAreAFault() throws {
        let tables = tables()
        try tables.map(0x1000, to: 0x5000)
        try space.store(0x7fff_f000 | 3 as UInt64, at: tables.entry(for: 0x1000, level: 1))
        assertFault(.hole, at: 0x1004, [(0x1004, 4)], through: try tables.iommu())
    }

    func testAFaultComesBeforeAnythingMoves() throws {
        let tables = tables()
        try tables.map(0x10000, to: 0x5000)
        let mapper = try DMAMapper(space, resolvers: [tables.iommu()])
        ram.dirtyLog.start(.migration)
        let (_, step) = mapper.begin(ScatterGatherList([(0x10000, 8192)]), .fromDevice)
        guard case .done(let result) = step, case .fault(let error) = result.outcome else {
            return XCTFail("\(step)")
        }
        XCTAssertEqual(error.code, .notTranslated)
        XCTAssertEqual(error.address, 0x11000)
        XCTAssertEqual(result.transferred, 0)
        XCTAssertEqual(ram.dirtyLog.takePages(), [])
        XCTAssertEqual(mapper.statistics.active, 0)
    }

    /// Tables that lead to one page over and over make endless memory of a few entries.
    func testTheWorkOnAListIsBounded() throws {
        let tables = tables()
        for page in 0..<65 {
            try tables.map(GuestAddress(page) << 12, to: GuestAddress(page) << 12)
        }
        let mapper = try DMAMapper(
            space, resolvers: [tables.iommu()], options: DMAOptions(maximumSegments: 64))
        let mapping = try mapper.map(ScatterGatherList([(0, 64 << 12)]), .fromDevice)
        XCTAssertEqual(mapping.vectors.count, 1)
        try mapping.unmap()
        XCTAssertThrowsError(try mapper.map(address: 0, length: 65 << 12, .fromDevice).unmap()) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, .tooManySegments)
            XCTAssertEqual(($0 as? GuestMemoryError)?.address, 64 << 12)
        }
    }

    func testAnotherRoot() throws {
        let tables = tables()
        try tables.map(0x1000, to: 0x5000)
        let others = ResolverPageTables(in: space, at: Self.tables + 0x10000)
        try others.map(0x1000, to: 0x6000)
        let iommu = try tables.iommu()
        XCTAssertEqual(try places([(0x1000, 1)], through: iommu), [[0x5000, 1]])
        iommu.setRoot(others.root)
        XCTAssertEqual(try places([(0x1000, 1)], through: iommu), [[0x6000, 1]])
        XCTAssertThrowsError(try PageTableIOMMU(space: space, root: 0x1008))
        XCTAssertThrowsError(try PageTableIOMMU(space: space, root: 0x1000, levels: 5))
    }
}
