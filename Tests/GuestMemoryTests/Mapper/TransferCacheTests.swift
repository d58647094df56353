import GuestMemory
import XCTest

@testable import TestSupport

/// Finished transfers are used again, as many as are worth keeping (docs/guest-memory.md, D6).
final class TransferCacheTests: XCTestCase {
    /// Begins so many transfers of `segments` pieces at once, ends them, and returns how many of
    /// them had to be allocated.
    private func allocations(
        _ count: Int, segments: Int = 1, on mapper: DMAMapper, page: UInt64 = 8192
    ) -> Int {
        let before = mapper.statistics.allocatedTransfers
        let list = ScatterGatherList((0..<segments).map { (GuestAddress($0) * page, 1) })
        let transfers = (0..<count).map { _ in mapper.begin(list, .toDevice).0 }
        XCTAssertEqual(mapper.statistics.active, count)
        for transfer in transfers {
            guard case .done(let result) = transfer.pieceEnded(transferred: 0, isSuccess: true)
            else {
                XCTFail("not done")
                continue
            }
            XCTAssertEqual(result.outcome, .success)
        }
        XCTAssertEqual(mapper.statistics.active, 0)
        return mapper.statistics.allocatedTransfers - before
    }

    func testItGrowsToTheTransfersEverInFlightAtOnceAndNotAboveTen() throws {
        let mapper = try DMAMapper(Guest().space)
        XCTAssertEqual(allocations(1, on: mapper), 1)
        for _ in 0..<5 { XCTAssertEqual(allocations(1, on: mapper), 0) }
        XCTAssertEqual(allocations(4, on: mapper), 3)
        XCTAssertEqual(allocations(4, on: mapper), 0)
        XCTAssertEqual(allocations(13, on: mapper), 9)
        XCTAssertEqual(allocations(10, on: mapper), 0)
        XCTAssertEqual(allocations(13, on: mapper), 3)
    }

    func testTheLimitIsAnOption() throws {
        let mapper = try DMAMapper(Guest().space, options: DMAOptions(cacheLimit: 2))
        XCTAssertEqual(allocations(5, on: mapper), 5)
        XCTAssertEqual(allocations(5, on: mapper), 3)
    }

    func testSwitchedOffNothingIsKeptNorTaken() throws {
        let mapper = try DMAMapper(Guest().space, options: DMAOptions(cacheLimit: 0))
        for _ in 0..<3 { XCTAssertEqual(allocations(2, on: mapper), 2) }
        try mapper.setOptions(DMAOptions())
        XCTAssertEqual(allocations(3, on: mapper), 3)
        XCTAssertEqual(allocations(3, on: mapper), 0)
        try mapper.setOptions(DMAOptions(cacheLimit: 0))
        XCTAssertEqual(allocations(1, on: mapper), 1, "also what was kept before")
        try mapper.setOptions(DMAOptions())
        XCTAssertEqual(allocations(1, on: mapper), 1)
    }

    func testALowerLimitLetsGoWhatIsAbove() throws {
        let mapper = try DMAMapper(Guest().space)
        XCTAssertEqual(allocations(8, on: mapper), 8)
        try mapper.setOptions(DMAOptions(cacheLimit: 3))
        XCTAssertEqual(allocations(8, on: mapper), 5)
    }

    func testATransferOfMoreThan2048PiecesIsNotKept() throws {
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 32 << 20)
        try space.map(.ram(ram), at: 0)
        let mapper = try DMAMapper(space)
        XCTAssertEqual(allocations(1, segments: 2048, on: mapper), 1)
        XCTAssertEqual(allocations(1, segments: 2048, on: mapper), 0, "2048 are kept")
        XCTAssertEqual(allocations(1, segments: 2049, on: mapper), 0)
        XCTAssertEqual(allocations(1, on: mapper), 1, "2049 are not")
        XCTAssertEqual(allocations(1, on: mapper), 0)
    }

    /// Nothing of an earlier transfer shows in a later one.
    func testATransferUsedAgainIsAsNew() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice(pattern(9000))
        device.failsAt = 700
        let mixed = ScatterGatherList([(Guest.registersBase, 4096), (1, 300), (5000, 4604)])
        XCTAssertEqual(
            device.carryOut(mixed, .fromDevice, on: mapper), DMAResult(.deviceFailed, 700))
        XCTAssertEqual(guest.takeDirty()[0], [0, 1, 2])
        device.failsAt = nil
        let hole = ScatterGatherList([(8192, 10), (Guest.hole, 10)])
        guard case .fault = device.carryOut(hole, .fromDevice, on: mapper)?.outcome else {
            return XCTFail("a hole is taken")
        }
        device.medium = pattern(3, seed: 9)
        XCTAssertEqual(
            device.carryOut(ScatterGatherList([(65_536, 3)]), .fromDevice, on: mapper),
            DMAResult(.success, 3))
        XCTAssertEqual(guest.takeDirty()[0], [16])
        XCTAssertEqual(device.vectors.count, 1)
        XCTAssertEqual(mapper.statistics.allocatedTransfers, 1)
    }

    func testAMapperLetsGoOfWhatItKept() throws {
        let guest = try Guest()
        weak var transfer: DMATransfer?
        do {
            let mapper = try DMAMapper(guest.space)
            let (begun, _) = mapper.begin(ScatterGatherList([(0, 1)]), .toDevice)
            transfer = begun
            _ = begun.pieceEnded(transferred: 1, isSuccess: true)
            XCTAssertNotNil(transfer)
        }
        XCTAssertNil(transfer)
    }
}
