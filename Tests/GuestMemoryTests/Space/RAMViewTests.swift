import XCTest

@testable import GuestMemory
@testable import TestSupport

/// A device's view of RAM in one piece.
final class RAMViewTests: XCTestCase {
    private let ram = try? GuestRAM(size: 65536)

    private func space() throws -> (AddressSpace, GuestRAM) {
        let space = try AddressSpace()
        let ram = try XCTUnwrap(ram)
        try space.map(.ram(ram), at: 0x1000)
        try space.map(.rom(ram, size: 4096), at: 0x10_0000)
        try space.map(.mmio(ByteStore(size: 4096), size: 4096), at: 0x20_0000)
        return (space, ram)
    }

    func testWhatIsVisible() throws {
        let (space, ram) = try space()
        var view = RAMView(space)
        XCTAssertFalse(view.begin())
        defer { view.end() }
        XCTAssertNotNil(view.stretch(at: 0x1000, count: 65536))
        XCTAssertNotNil(view.stretch(at: 0x1_0FFF, count: 1))
        for (address, count): (GuestAddress, Int) in [
            (0xFFF, 1), (0x1000, 65537), (0x1_0FFF, 2), (0x1000, 0), (.max, 1),
            (0x10_0000, 1), (0x20_0000, 1),
        ] {
            XCTAssertNil(view.stretch(at: address, count: count), "\(address) \(count)")
        }
        ram.base.storeBytes(of: 0x1234, toByteOffset: 0, as: UInt16.self)
        var value: UInt16 = 0
        XCTAssertTrue(view.read(at: 0x10_0000, into: &value, count: 2))
        XCTAssertEqual(value, 0x1234)
        for address: GuestAddress in [0x20_0000, 0x1_0FFF, 0x10_0FFF, .max, 0xFFF] {
            XCTAssertFalse(view.read(at: address, into: &value, count: 2), "\(address)")
        }
        XCTAssertTrue(view.store(7, at: 0x1_0FFF))
        XCTAssertEqual(ram.base.load(fromByteOffset: 0xFFFF, as: UInt8.self), 7)
        for address: GuestAddress in [0x1_1000, 0xFFF, 0x10_0000, 0x20_0000, .max] {
            XCTAssertFalse(view.store(7, at: address), "\(address)")
        }
    }

    func testNumbersAreLittleEndianAndPagesAreMarked() throws {
        let (space, ram) = try space()
        ram.dirtyLog.start(.migration)
        var view = RAMView(space)
        _ = view.begin()
        defer { view.end() }
        let stretch = try XCTUnwrap(view.stretch(at: 0x2FFC, count: 8192))
        XCTAssertTrue(stretch.store16(0x1234, at: 2))
        XCTAssertEqual(ram.base.load(fromByteOffset: 0x1FFE, as: UInt8.self), 0x34)
        XCTAssertEqual(stretch.load16(at: 2), 0x1234)
        let bytes: [UInt8] = [1, 2, 3, 4, 5]
        XCTAssertTrue(stretch.write(at: 4100, from: bytes, count: 5))
        XCTAssertTrue(view.store(9, at: 0x8000))
        var pages: [Int] = []
        ram.dirtyLog.take(.migration) { pages += $0 }
        XCTAssertEqual(pages, [1, 3, 7])
        var copy = [UInt8](repeating: 0, count: 5)
        XCTAssertTrue(stretch.read(at: 4100, into: &copy, count: 5))
        XCTAssertEqual(copy, bytes)
    }

    /// A view says when its stretches are to be looked up again, and releases the map.
    func testChangesOfTheMap() throws {
        let (space, _) = try space()
        var view = RAMView(space)
        XCTAssertFalse(view.begin())
        view.end()
        XCTAssertTrue(view.begin())
        let released = Locked(false)
        let other = try space.map(.hole(size: 4096), at: 0x1000, priority: 1)
        // The map with which it began stays.
        XCTAssertNotNil(view.stretch(at: 0x1000, count: 4096))
        view.end()
        XCTAssertFalse(view.begin())
        XCTAssertNil(view.stretch(at: 0x1000, count: 4096))
        try space.unmap(other) { released.withLock { $0 = true } }
        XCTAssertFalse(released.withLock { $0 })
        view.end()
        XCTAssertTrue(released.withLock { $0 })
    }
}
