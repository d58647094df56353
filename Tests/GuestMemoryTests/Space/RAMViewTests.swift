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

    /// Descriptors and headers, at any address.
    func testFixedCounts() throws {
        let (space, ram) = try space()
        for index in 0..<65536 {
            ram.base.storeBytes(
                of: UInt8(truncatingIfNeeded: index &* 7), toByteOffset: index, as: UInt8.self)
        }
        func content(_ range: Range<Int>) -> [UInt8] {
            range.map { UInt8(truncatingIfNeeded: $0 &* 7) }
        }
        var view = RAMView(space)
        _ = view.begin()
        defer { view.end() }
        // From the window and from elsewhere, up to the last byte.
        for (address, place): (GuestAddress, Int) in [
            (0x1000, 0), (0x1001, 1), (0x1_0FD0, 0xFFD0), (0x10_0003, 3), (0x2008, 0x1008),
            (0x1_0FCF, 0xFFCF),
        ] {
            var copy = [UInt8](repeating: 0, count: 16)
            XCTAssertTrue(view.copy16(at: address, to: &copy))
            XCTAssertEqual(copy, content(place..<place + 16))
            copy = [UInt8](repeating: 0, count: 48)
            XCTAssertTrue(view.copy48(at: address, to: &copy))
            XCTAssertEqual(copy, content(place..<place + 48))
        }
        var copy = [UInt8](repeating: 0, count: 48)
        XCTAssertTrue(view.copy16(at: 0x1_0FF0, to: &copy))
        XCTAssertEqual(copy[..<16], content(0xFFF0..<0x10000)[...])
        for address: GuestAddress in [0xFF8, 0x1_0FF1, 0x1_1000, 0x20_0000, .max, 0x10_0FF8] {
            XCTAssertFalse(view.copy16(at: address, to: &copy), "\(address)")
            XCTAssertFalse(view.copy48(at: address, to: &copy), "\(address)")
        }
        XCTAssertFalse(view.copy48(at: 0x1_0FD1, to: &copy))
        let stretch = try XCTUnwrap(view.stretch(at: 0x1003, count: 64))
        XCTAssertTrue(stretch.copy16(at: 48, to: &copy))
        XCTAssertEqual(copy[..<16], content(51..<67)[...])
    }

    /// The data of requests that is RAM in one piece.
    func testWhatIsTaken() throws {
        let (space, ram) = try space()
        ram.dirtyLog.start(.migration)
        var view = RAMView(space)
        _ = view.begin()
        var piece = RAMPiece()
        XCTAssertEqual(view.take(0x2FFF, length: 2, as: &piece), ram.base + 0x1FFF)
        XCTAssertEqual(piece.address, 0x2FFF)
        XCTAssertEqual(piece.length, 2)
        piece.markWritten()
        var pages: [Int] = []
        ram.dirtyLog.take(.migration) { pages += $0 }
        XCTAssertEqual(pages, [1, 2])
        var other = RAMPiece()
        for (address, length): (GuestAddress, UInt64) in [
            (0xFFF, 1), (0x1000, 65537), (0x1_0FFF, 2), (0x1_1000, 1), (.max, 1), (0x10_0000, 1),
            (0x20_0000, 4), (0x1000, .max),
        ] {
            XCTAssertNil(view.take(address, length: length, as: &other), "\(address) \(length)")
        }
        XCTAssertEqual(view.take(0x1000, length: 65536, as: &other), ram.base)
        XCTAssertEqual(view.keepTaken(), 65538)
        XCTAssertEqual(view.keepTaken(), 0)
        view.end()
        view.release(piece.slot, count: 2)
    }

    /// What was taken holds the map until it is released, also if the map is replaced before the view
    /// holds it for that.
    func testTheMapOfWhatIsTaken() throws {
        for isReplacedBefore in [false, true] {
            let (space, ram) = try space()
            let region = try space.map(.ram(ram), at: 0x40_0000)
            let released = Locked(0)
            func unmap() throws {
                try space.unmap(region) { released.withLock { $0 += 1 } }
            }
            var view = RAMView(space)
            _ = view.begin()
            var pieces = [RAMPiece](repeating: RAMPiece(), count: 3)
            for index in 0..<3 {
                XCTAssertNotNil(view.take(0x40_0000, length: 4096, as: &pieces[index]))
            }
            if isReplacedBefore { try unmap() }
            XCTAssertEqual(view.keepTaken(), 3 * 4096)
            if !isReplacedBefore { try unmap() }
            view.end()
            // Another map, of which nothing is taken.
            XCTAssertFalse(view.begin())
            XCTAssertNil(view.take(0x40_0000, length: 4096, as: &pieces[0]))
            view.end()
            view.release(pieces[1].slot, count: 2)
            XCTAssertEqual(released.withLock { $0 }, 0)
            view.release(pieces[2].slot, count: 1)
            XCTAssertEqual(released.withLock { $0 }, 1)
        }
    }

    /// A transfer takes over what was taken: it marks the pages, and releases the map.
    func testATransferTakesOver() throws {
        let (space, ram) = try space()
        let region = try space.map(.ram(ram), at: 0x40_0000)
        let mapper = try DMAMapper(space)
        ram.dirtyLog.start(.migration)
        for isSuccess in [true, false] {
            var view = RAMView(space)
            _ = view.begin()
            var piece = RAMPiece()
            XCTAssertNotNil(view.take(0x40_1000, length: 4096, as: &piece))
            _ = view.keepTaken()
            view.end()
            let transfer = mapper.adopt(piece, .fromDevice, userData: 7)
            XCTAssertEqual(transfer.userData, 7)
            XCTAssertEqual(mapper.statistics.active, 1)
            XCTAssertNil(transfer.cancel())
            guard
                case .done(let result) = transfer.pieceEnded(
                    transferred: 512, isSuccess: isSuccess)
            else { return XCTFail("not done") }
            XCTAssertEqual(result.outcome, isSuccess ? .success : .deviceFailed)
            XCTAssertEqual(result.transferred, isSuccess ? 4096 : 512)
            XCTAssertEqual(mapper.statistics.active, 0)
            var pages: [Int] = []
            ram.dirtyLog.take(.migration) { pages += $0 }
            XCTAssertEqual(pages, [1])
        }
        let released = Locked(false)
        try space.unmap(region) { released.withLock { $0 = true } }
        XCTAssertTrue(released.withLock { $0 })
    }

    /// Another thread changes the map at any moment: each region that was removed is released once, when
    /// nothing that was taken holds it any more.
    func testTheMapChangesMeanwhile() throws {
        let (space, ram) = try space()
        let changes = 5000
        let released = Locked(0)
        let isChanging = Locked(true)
        let changer = Worker {
            for _ in 0..<changes {
                guard let region = try? space.map(.ram(ram), at: 0x40_0000) else { break }
                try? space.unmap(region) { released.withLock { $0 += 1 } }
            }
            isChanging.withLock { $0 = false }
        }
        var view = RAMView(space)
        var held: [RAMPiece] = []
        var round = 0
        while isChanging.withLock({ $0 }) {
            _ = view.begin()
            for _ in 0..<3 {
                var piece = RAMPiece()
                if view.take(0x1000, length: 512, as: &piece) != nil { held.append(piece) }
            }
            _ = view.keepTaken()
            view.end()
            round += 1
            // Some are held over several changes.
            if round % 4 != 0 { continue }
            for piece in held { view.release(piece.slot, count: 1) }
            held = []
        }
        changer.join()
        for piece in held { view.release(piece.slot, count: 1) }
        XCTAssertGreaterThan(round, 0)
        XCTAssertEqual(released.withLock { $0 }, changes)
    }
}
