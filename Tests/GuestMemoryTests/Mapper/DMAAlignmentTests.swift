import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// The alignment that a device asks the mapper for: what offends bounces, and nothing else.
/// See docs/guest-memory.md, D5.
final class DMAAlignmentTests: RandomTestCase {
    /// What a transfer looked like: `d` and a length for each direct vector, `b` for a bounced one.
    private func layout(
        _ guest: Guest, _ elements: [(GuestAddress, UInt64)], alignment: Int,
        options: DMAOptions = DMAOptions()
    ) throws -> [[String]] {
        let mapper = try DMAMapper(guest.space, options: options)
        let list = ScatterGatherList(elements.map { ($0.0, $0.1) })
        var device = MemoryDevice(pattern(Int(list.total!), seed: 4))
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper, alignment: alignment)?.outcome,
            .success)
        assertObeys(alignment, device.pieces)
        var written: [UInt8] = []
        for element in elements {
            written += try guest.space.bytes(at: element.0, count: Int(element.1))
        }
        assertBytes(written, device.medium)
        return device.pieces.map { piece in
            piece.vectors.map { (guest.isDirect($0) ? "d" : "b") + "\($0.iov_len)" }
        }
    }

    /// Each address, length and position is a multiple.
    private func assertObeys(
        _ alignment: Int, _ pieces: [MemoryDevice.Piece], line: UInt = #line
    ) {
        for piece in pieces {
            var position = Int(piece.offset)
            for vector in piece.vectors {
                let address = Int(bitPattern: vector.iov_base)
                let isAligned = (address | vector.iov_len | position) & (alignment - 1) == 0
                XCTAssertTrue(isAligned, "\(vector) at \(position)", line: line)
                position += vector.iov_len
            }
        }
    }

    /// The middle one offends by its position.
    func test300And4096And212AreOneRun() throws {
        let guest = try Guest()
        XCTAssertEqual(
            try layout(guest, [(0, 300), (8192, 4096), (20_480, 212)], alignment: 512),
            [["b4608"]])
        XCTAssertEqual(guest.takeDirty()[0], [0, 2, 5])
    }

    func testTheNeighboursOfARunStayDirect() throws {
        let guest = try Guest()
        XCTAssertEqual(
            try layout(
                guest,
                [
                    (40_960, 4096), (0, 300), (8192, 4096), (20_480, 212), (57_344, 512),
                    (65_536, 100), (69_632, 412), (73_728, 1024),
                ], alignment: 512),
            [["d4096", "b4608", "d512", "b512", "d1024"]])
    }

    func testAnElementOffendsByItsAddressAlone() throws {
        let guest = try Guest()
        XCTAssertEqual(
            try layout(guest, [(0, 512), (8193, 512), (16_384, 512)], alignment: 512),
            [["d512", "b512", "d512"]])
        XCTAssertEqual(
            try layout(guest, [(0, 4096), (8704, 4096), (16_384, 4096)], alignment: 4096),
            [["d4096", "b4096", "d4096"]])
    }

    /// Together they are one stretch of host memory, which does not offend.
    func testNeighboursInTheHostAreJudgedAsOne() throws {
        let guest = try Guest()
        XCTAssertEqual(
            try layout(guest, [(512, 300), (812, 4096), (4908, 212)], alignment: 512),
            [["d4608"]])
    }

    func testDevicesAmongTheElementsAreClosedToBlocks() throws {
        let guest = try Guest()
        XCTAssertEqual(
            try layout(
                guest,
                [(0, 512), (Guest.registersBase, 300), (8192, 212), (16_384, 512)],
                alignment: 512),
            [["d512", "b512", "d512"]])
        // Registers of whole blocks leave a run as it is.
        XCTAssertEqual(
            try layout(
                guest, [(Guest.registersBase, 512), (8192, 100), (16_384, 412)], alignment: 512),
            [["b1024"]])
    }

    func testTheBufferIsAlignedToo() throws {
        for limit in [8192, 32 << 10, 64 << 10, 1 << 20] {
            let guest = try Guest(bounceLimit: limit)
            // Others have the first part of the pool.
            let other = try DMAMapper(guest.space)
            let held = try other.map(address: Guest.registersBase, length: 512, .toDevice)
            for alignment in [512, 1024, 4096] {
                _ = try layout(
                    guest,
                    [(3, UInt64(alignment)), (40_960, 4096), (100_001, 4096 + UInt64(alignment))],
                    alignment: alignment, options: DMAOptions(bounceLimit: limit / 2))
            }
            try held.unmap()
        }
    }

    /// The cap may be smaller than what the device demands.
    func testPiecesAreCutAtMultiplesOfTheAlignment() throws {
        let guest = try Guest()
        for cap in [512, 1024, 4096, 8192] {
            let layout = try layout(
                guest, [(1, 12_288), (65_536, 8192), (100_001, 4096)], alignment: 4096,
                options: DMAOptions(bounceLimit: cap))
            XCTAssertEqual(layout.flatMap { $0 }.filter { $0.hasPrefix("d") }, ["d8192"], "\(cap)")
        }
    }

    func testRandomListsObeyTheAlignment() throws {
        let guest = try Guest()
        try forEachCase(200) { random in
            let alignment = 1 << random.number(1...12)
            var elements: [(GuestAddress, UInt64)] = []
            // A slot each, so that elements do not overlap.
            for slot in 0..<random.number(1...12) {
                let isSloppy = random.number(0...2) > 0
                let length = random.number(1...(isSloppy ? 9000 : 2)) * (isSloppy ? 1 : alignment)
                let start = isSloppy ? random.number(0...5000) : random.number(0...1) * 4096
                let isDevice = random.number(0...5) == 0 && slot < 4
                let base =
                    isDevice
                    ? Guest.registersBase + UInt64(slot * 16_384) : GuestAddress(slot * 65_536)
                elements.append((base + UInt64(start), UInt64(Swift.min(length, 16_384 - start))))
            }
            let total = elements.reduce(0) { $0 + $1.1 }
            let surplus = total % UInt64(alignment)
            if surplus > 0 { elements.append((900_001, UInt64(alignment) - surplus)) }
            let options = DMAOptions(bounceLimit: 1 << random.number(9...20))
            _ = try layout(guest, elements, alignment: alignment, options: options)
        }
    }

    /// Two regions that follow each other in the host and not in the guest: what offends behind
    /// their border bounces to where it belongs.
    func testWhatFollowsTheBorderOfTwoRegions() throws {
        let ram = try GuestRAM(size: 3 * 4096)
        ram.dirtyLog.start(.migration)
        let space = try AddressSpace()
        try space.map(.ram(ram, size: 4096), at: 0)
        try space.map(.ram(ram, offset: 4096), at: 0x10000)
        let mapper = try DMAMapper(space)
        let list = ScatterGatherList([(0xE00, 512), (0x10000, 512), (0x10401, 512)])
        var device = MemoryDevice(pattern(1536))
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper, alignment: 512),
            DMAResult(.success, 1536))
        assertBytes(ram.bytes(0xE00..<0x1200), Array(device.medium[..<1024]))
        assertBytes(ram.bytes(0x1401..<0x1601), Array(device.medium[1024...]))
        XCTAssertEqual(ram.dirtyLog.takePages(), [0, 1])
    }

    /// Two regions that follow each other in the host and not for the guest: what bounces is copied from
    /// where the guest has it.
    func testElementsThatMeetInTheHostOnlyBounceApart() throws {
        let ram = try GuestRAM(size: 3 * 4096)
        let space = try AddressSpace()
        try space.map(.ram(ram, size: 4096), at: 0)
        try space.map(.ram(ram, offset: 4096), at: 0x10000)
        // Where the segment would go on if it were joined by the address of its beginning.
        try space.map(.ram(ram, offset: 2 * 4096, size: 4096), at: 0x1000)
        let list = ScatterGatherList([(0xE00, 512), (0x10000, 1), (0x10401, 511)])
        let mapper = try DMAMapper(space)
        var device = MemoryDevice(pattern(1024))
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper, alignment: 512),
            DMAResult(.success, 1024))
        assertBytes(ram.bytes(0xE00..<0x1001), Array(device.medium[..<513]))
        assertBytes(ram.bytes(0x1401..<0x1600), Array(device.medium[513...]))
        let before = device.medium
        XCTAssertEqual(
            device.carryOut(list, .toDevice, on: mapper, alignment: 512),
            DMAResult(.success, 1024))
        assertBytes(device.medium, before)
    }
}
