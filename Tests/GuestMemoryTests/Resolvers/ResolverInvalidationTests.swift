import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Tables that change while transfers go by them: an invalidation is answered when none does any
/// more (docs/guest-memory.md, D10).
final class ResolverInvalidationTests: XCTestCase {
    private let ram: GuestRAM
    private let space: AddressSpace
    private let tables: ResolverPageTables
    private let iommu: PageTableIOMMU
    private let drained = Locked(0)

    required init(name: String, testClosure: @escaping XCTestCaseClosure) {
        // A test cannot begin without them.
        ram = try! GuestRAM(size: 1 << 20)
        space = try! AddressSpace(bounceLimit: 512)
        try! space.map(.ram(ram), at: 0)
        tables = ResolverPageTables(in: space, at: 0x80000)
        iommu = try! tables.iommu()
        try! tables.map(0x1000, to: 0x5000)
        super.init(name: name, testClosure: testClosure)
    }

    private func invalidate() throws {
        try iommu.invalidate { [drained] in drained.withLock { $0 += 1 } }
    }

    private func begin(
        on mapper: DMAMapper, length: UInt64 = 4096
    ) -> (transfer: DMATransfer, step: DMAStep) {
        mapper.begin(ScatterGatherList([(0x1000, length)]), .fromDevice)
    }

    func testAtOnceWhenNothingIsInFlight() throws {
        try invalidate()
        XCTAssertEqual(drained.current, 1)
        let mapper = try DMAMapper(space, resolvers: [iommu])
        _ = begin(on: mapper).transfer.pieceEnded(transferred: 4096, isSuccess: true)
        try invalidate()
        XCTAssertEqual(drained.current, 2)
    }

    func testWaitsForTheTransfersOfBeforeAndForNoOthers() throws {
        let mapper = try DMAMapper(space, resolvers: [iommu])
        let first = begin(on: mapper).transfer
        try invalidate()
        let second = begin(on: mapper).transfer
        try invalidate()
        let third = begin(on: mapper).transfer
        XCTAssertEqual(drained.current, 0)
        _ = third.pieceEnded(transferred: 4096, isSuccess: true)
        _ = second.pieceEnded(transferred: 4096, isSuccess: true)
        XCTAssertEqual(drained.current, 0, "the first goes by both former translations")
        _ = first.pieceEnded(transferred: 0, isSuccess: false)
        XCTAssertEqual(drained.current, 2)
    }

    func testATransferKeepsTheTranslationItBeganWith() throws {
        let mapper = try DMAMapper(space, resolvers: [iommu])
        let (transfer, step) = begin(on: mapper)
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        try tables.map(0x1000, to: 0x6000)
        try invalidate()
        XCTAssertEqual(ram.offset(of: piece.vectors[0].iov_base), 0x5000)
        memset(piece.vectors[0].iov_base, 1, 4096)
        XCTAssertEqual(drained.current, 0)
        _ = transfer.pieceEnded(transferred: 4096, isSuccess: true)
        XCTAssertEqual(drained.current, 1)
        let next = begin(on: mapper)
        guard case .submit(let piece) = next.step else { return XCTFail("\(next.step)") }
        XCTAssertEqual(ram.offset(of: piece.vectors[0].iov_base), 0x6000)
        _ = next.transfer.pieceEnded(transferred: 4096, isSuccess: true)
    }

    func testATransferInLineForBounceBuffersIsInFlight() throws {
        let mapper = try DMAMapper(
            space, resolvers: [iommu], options: DMAOptions(forceBounce: true))
        let first = begin(on: mapper, length: 512)
        let waiting = begin(on: mapper, length: 512)
        XCTAssertTrue(waiting.transfer.isWaiting)
        try invalidate()
        _ = first.transfer.pieceEnded(transferred: 512, isSuccess: true)
        XCTAssertEqual(drained.current, 0)
        XCTAssertNotNil(waiting.transfer.cancel())
        XCTAssertEqual(drained.current, 1)
    }

    func testAFaultEndsATransfer() throws {
        let mapper = try DMAMapper(space, resolvers: [iommu])
        guard case .done = begin(on: mapper, length: 8192).step else { return XCTFail("no fault") }
        try invalidate()
        XCTAssertEqual(drained.current, 1)
    }

    /// A page that was taken away is nobody's any more when the invalidation is answered: its new
    /// owner would see a late write, and the thread sanitizer the lack of order.
    func testAPageThatWasTakenAwayIsLeftAlone() throws {
        let failures = Outcomes()
        let isOver = Locked(false)
        // Counts: the thread sanitizer takes a value of no size for the lock beside it.
        let writing = Locked(0)
        let devices = (0..<3).map { number in
            Worker { [iommu, space] in
                failures.record {
                    let mapper = try DMAMapper(space, resolvers: [iommu])
                    while !isOver.current {
                        try Self.transfer(on: mapper, value: UInt8(number + 1), writing)
                    }
                }
            }
        }
        var page: GuestAddress = 0x5000
        for _ in 0..<300 {
            let former = page
            page = page == 0x5000 ? 0x6000 : 0x5000
            try tables.map(0x1000, to: page)
            let drained = Locked(false)
            try iommu.invalidate { drained.current = true }
            try eventually("the invalidation is answered") { drained.current }
            let mine = ram.base + Int(former.rawValue)
            memset(mine, 0xee, 4096)
            sched_yield()
            let isMine = memcmp(mine, mine + 1, 4095) == 0 && mine.load(as: UInt8.self) == 0xee
            XCTAssertTrue(isMine, "somebody wrote to a page taken away")
        }
        isOver.current = true
        devices.forEach { $0.join() }
        XCTAssertEqual(failures.errors.count, 0, "\(failures.errors)")
    }

    private static func transfer(
        on mapper: DMAMapper, value: UInt8, _ writing: Locked<Int>
    ) throws {
        let (transfer, step) = mapper.begin(ScatterGatherList([(0x1000, 4096)]), .fromDevice)
        guard case .submit(let piece) = step else { throw FixtureError.failed("\(step)") }
        // One at a time: all write to the same page.
        writing.withLock {
            $0 += 1
            _ = memset(piece.vectors[0].iov_base, CInt(value), 4096)
        }
        guard case .done(let result) = transfer.pieceEnded(transferred: 4096, isSuccess: true),
            result.outcome == .success
        else { throw FixtureError.failed("no success") }
    }
}
