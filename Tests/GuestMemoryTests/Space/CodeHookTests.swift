import GuestMemory
import XCTest

@testable import TestSupport

/// Translated code is invalidated when its pages are written, and only then.
/// See docs/guest-memory.md, D8.
final class CodeHookTests: XCTestCase {
    private var ram: GuestRAM!
    private var space: AddressSpace!
    private let hits = Locked<[Range<Int>]>([])

    override func setUpWithError() throws {
        ram = try GuestRAM(size: 200 * 4096)
        space = try AddressSpace()
        try space.map(.ram(ram), at: 0)
        hits.current = []
        let hits = hits
        ram.dirtyLog.onCodeWritten { pages in hits.withLock { $0.append(pages) } }
    }

    private func takeHits() -> [Int] {
        hits.withLock { hits in
            defer { hits = [] }
            return hits.flatMap { $0 }
        }
    }

    func testExactlyTheProtectedPagesWrittenAreTold() throws {
        ram.dirtyLog.protectCode(2..<4)
        ram.dirtyLog.protectCode(62..<66)
        ram.dirtyLog.protectCode(199..<300)
        try space.put([1], at: 0)
        try space.put([1], at: 4 * 4096)
        XCTAssertEqual(takeHits(), [])
        try space.put([1, 2], at: 3 * 4096 - 1)
        XCTAssertEqual(takeHits(), [2, 3])
        try space.fill(at: 60 * 4096, with: 1, count: 4 * 4096)
        XCTAssertEqual(takeHits(), [62, 63])
        try space.fill(at: 0, with: 1, count: 200 * 4096)
        XCTAssertEqual(takeHits(), [64, 65, 199])
        try space.fill(at: 0, with: 1, count: 200 * 4096)
        XCTAssertEqual(takeHits(), [], "the protection is taken off")
        ram.dirtyLog.protectCode(0..<200)
        ram.dirtyLog.mark(offset: 0, length: 200 * 4096)
        XCTAssertEqual(takeHits(), Array(0..<200))
        ram.dirtyLog.protectCode(7..<8)
        ram.dirtyLog.protectCode(63..<64)
        ram.dirtyLog.protectCode(5..<5)
        ram.dirtyLog.mark(offset: 0, length: 200 * 4096)
        XCTAssertEqual(takeHits(), [7, 63])
    }

    func testNeighboursInAWordAreOneRun() throws {
        ram.dirtyLog.protectCode(3..<60)
        ram.dirtyLog.mark(offset: 0, length: 200 * 4096)
        XCTAssertEqual(hits.current, [3..<60])
    }

    func testItDoesNotNeedAConsumerAndDoesNotMakeOne() throws {
        ram.dirtyLog.protectCode(1..<2)
        try space.put([1], at: 4096)
        XCTAssertEqual(takeHits(), [1])
        XCTAssertEqual(ram.dirtyLog.takePages(), [])
        ram.dirtyLog.start(.migration)
        ram.dirtyLog.protectCode(1..<2)
        try space.put([1], at: 4096)
        XCTAssertEqual(takeHits(), [1])
        XCTAssertEqual(ram.dirtyLog.takePages(), [1])
    }

    func testReadsAreNotWrites() throws {
        ram.dirtyLog.protectCode(0..<200)
        _ = try space.bytes(at: 0, count: 200 * 4096)
        let mapper = try DMAMapper(space)
        var device = MemoryDevice([UInt8](repeating: 0, count: 8192))
        _ = device.carryOut(ScatterGatherList([(0, 8192)]), .toDevice, on: mapper)
        XCTAssertEqual(takeHits(), [])
    }

    func testDMAIsTold() throws {
        for forceBounce in [false, true] {
            let mapper = try DMAMapper(space, options: DMAOptions(forceBounce: forceBounce))
            ram.dirtyLog.protectCode(0..<200)
            var device = MemoryDevice(pattern(8192))
            let list = ScatterGatherList([(63 * 4096 + 100, 4096), (7 * 4096, 4096)])
            _ = device.carryOut(list, .fromDevice, on: mapper)
            XCTAssertEqual(takeHits().sorted(), [7, 63, 64], "forceBounce \(forceBounce)")
        }
    }

    /// Whoever translates again at once must find the new code.
    func testTheBytesAreThereWhenItIsCalled() throws {
        let other = try GuestRAM(size: 4096)
        let found = Locked<[UInt8]>([])
        other.dirtyLog.onCodeWritten { [weak other] _ in
            found.withLock { $0 = other?.bytes(0..<4) ?? [] }
        }
        other.dirtyLog.protectCode(0..<1)
        let space = try AddressSpace()
        try space.map(.ram(other), at: 0)
        try space.store(0x0403_0201 as UInt32, at: 0)
        XCTAssertEqual(found.current, [1, 2, 3, 4])
    }

    func testPagesStayProtectedUntilThereIsAHook() throws {
        let other = try GuestRAM(size: 4096)
        other.dirtyLog.protectCode(0..<1)
        other.dirtyLog.mark(offset: 0, length: 1)
        let hits = hits
        other.dirtyLog.onCodeWritten { pages in hits.withLock { $0.append(pages) } }
        other.dirtyLog.mark(offset: 0, length: 1)
        XCTAssertEqual(takeHits(), [0])
    }
}
