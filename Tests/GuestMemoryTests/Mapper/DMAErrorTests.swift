import GuestMemory
import XCTest

@testable import TestSupport

/// What is wrong with a list is a typed error through the result, once, before anything moves.
/// See docs/guest-memory.md, D9.
final class DMAErrorTests: XCTestCase {
    private func assertFault(
        _ code: GuestMemoryError.Code, at address: GuestAddress?, alignment: Int = 1,
        options: DMAOptions = DMAOptions(), _ elements: [(GuestAddress, UInt64)], line: UInt = #line
    ) throws {
        let guest = try Guest()
        let top = try GuestRAM(size: 4096)
        try guest.space.map(.ram(top), at: 0 &- 4096)
        try guest.space.map(.mmio(guest.registers, size: 1 << 63), at: 1 << 62)
        let before = guest.content
        let accesses = guest.registers.accesses.count
        for direction in [DMADirection.toDevice, .fromDevice] {
            for forceBounce in [false, true] {
                var options = options
                options.forceBounce = forceBounce
                let mapper = try DMAMapper(guest.space, options: options)
                let (_, step) = mapper.begin(
                    ScatterGatherList(elements.map { ($0.0, $0.1) }), direction,
                    alignment: alignment)
                guard case .done(let result) = step, case .fault(let error) = result.outcome else {
                    XCTFail("\(direction): \(step)", line: line)
                    continue
                }
                XCTAssertEqual(error.code, code, line: line)
                if let address { XCTAssertEqual(error.address, address, line: line) }
                XCTAssertTrue(error.isGuestFault, line: line)
                XCTAssertEqual(result.transferred, 0, line: line)
                XCTAssertEqual(mapper.statistics.active, 0, line: line)
                XCTAssertEqual(mapper.statistics.directBytes, 0, line: line)
                XCTAssertEqual(mapper.statistics.bouncedBytes, 0, line: line)
                mapper.resume { _, step in XCTFail("once more: \(step)", line: line) }
            }
        }
        XCTAssertEqual(guest.takeDirty(), [[], [], []], line: line)
        XCTAssertTrue(areSame(guest.content, before), "nothing moves", line: line)
        XCTAssertEqual(guest.registers.accesses.count, accesses, line: line)
        XCTAssertEqual(guest.space.bouncePool.available, guest.space.bouncePool.size, line: line)
        // The map that the list was looked up in is let go.
        let released = Locked(false)
        let extra = try guest.space.map(.hole(size: 1), at: 1 << 50)
        try guest.space.unmap(extra) { released.current = true }
        XCTAssertTrue(released.current, line: line)
    }

    func testAnEmptyList() throws {
        try assertFault(.emptyList, at: nil, [])
    }

    func testAnElementOfNoLength() throws {
        try assertFault(.zeroLength, at: 0x1000, [(0x1000, 0)])
        try assertFault(.zeroLength, at: 0x2000, [(0, 512), (0x2000, 0), (0x4000, 512)])
        try assertFault(.zeroLength, at: 0x2000, [(0, 512), (0x4000, 512), (0x2000, 0)])
        try assertFault(.zeroLength, at: Guest.hole, [(Guest.hole, 0)])
        try assertFault(.zeroLength, at: .max, [(.max, 0)])
    }

    func testAnAddressThatWraps() throws {
        try assertFault(.addressWraps, at: .max, [(.max, 2)])
        try assertFault(.addressWraps, at: .max - 511, [(0, 512), (.max - 511, 513)])
        try assertFault(.addressWraps, at: 2, [(2, .max)])
        try assertFault(.addressWraps, at: .max, [(.max, .max)])
    }

    func testATotalOfTwoToThe63() throws {
        try assertFault(.totalTooLarge, at: 1 << 62, [(1 << 62, 1 << 63)])
        try assertFault(.totalTooLarge, at: 5, [(1 << 62, 1 << 63 - 1), (5, 1)])
        try assertFault(
            .totalTooLarge, at: 1 << 62 + 9, [(1 << 62, 1 << 62), (1 << 62 + 9, 1 << 62)])
        // The sum passes 2^64 and looks small again.
        try assertFault(
            .totalTooLarge, at: 1, [(1 << 62, 1 << 63 - 1), (1, 0 &- (1 << 63))])
    }

    func testAHoleIsNamedByItsFirstAddress() throws {
        try assertFault(.hole, at: Guest.hole, [(Guest.hole, 1)])
        try assertFault(.hole, at: 1 << 20, [(0, 512), (1 << 20 - 300, 301)])
        try assertFault(
            .hole, at: Guest.registersBase + (64 << 10),
            [(Guest.registersBase, 64 << 10 + 1), (0, 512)])
        try assertFault(.hole, at: .max - 4096, [(.max - 4096, 2)])
    }

    func testTheFirstOfSeveralErrorsCounts() throws {
        try assertFault(.hole, at: Guest.hole, [(Guest.hole, 1), (0, 0), (.max, 2)])
        try assertFault(.zeroLength, at: 7, [(7, 0), (Guest.hole, 1)])
        try assertFault(.addressWraps, at: .max, [(0, 1), (.max, 2), (7, 0)])
    }

    func testATotalThatIsNoMultipleOfTheAlignment() throws {
        try assertFault(.misaligned, at: 0x1000, alignment: 512, [(0x1000, 513)])
        try assertFault(.misaligned, at: 0x1000, alignment: 4096, [(0x1000, 300), (0, 4096)])
        try assertFault(
            .misaligned, at: Guest.registersBase, alignment: 2, [(Guest.registersBase, 1)])
    }

    func testAListThatFallsIntoTooManyPieces() throws {
        let scattered = (0..<101).map { (GuestAddress($0) * 8192, 512 as UInt64) }
        try assertFault(
            .tooManySegments, at: 100 * 8192, options: DMAOptions(maximumSegments: 100), scattered)
        // Whether or not there is room for more anyway.
        for maximum in [1, 10, 63] {
            try assertFault(
                .tooManySegments, at: GuestAddress(maximum) * 8192,
                options: DMAOptions(maximumSegments: maximum), Array(scattered[...maximum]))
        }
    }

    /// A transfer that was larger once has room for more than it may use now.
    func testTheLimitHoldsForTransfersOfTheCache() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        let list = ScatterGatherList((0..<120).map { (GuestAddress($0) * 8192, 512) })
        var device = MemoryDevice(pattern(120 * 512))
        XCTAssertEqual(device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success)
        try mapper.setOptions(DMAOptions(maximumSegments: 100))
        guard case .fault(let error) = device.carryOut(list, .fromDevice, on: mapper)?.outcome
        else { return XCTFail("a list of 120 pieces is taken") }
        XCTAssertEqual(error.code, .tooManySegments)
        XCTAssertEqual(mapper.statistics.allocatedTransfers, 1)
    }

    func testAsManyPiecesAsAreAllowed() throws {
        let guest = try Guest()
        for maximum in [1, 10, 64, 65, 100, 128] {
            let mapper = try DMAMapper(
                guest.space, options: DMAOptions(maximumSegments: maximum))
            var device = MemoryDevice(pattern(maximum * 512))
            let list = ScatterGatherList((0..<maximum).map { (GuestAddress($0) * 8192, 512) })
            XCTAssertEqual(
                device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success, "\(maximum)")
            XCTAssertEqual(device.vectors.count, maximum)
        }
    }

    /// Neighbours in the host are one piece, however many elements they are.
    func testPiecesAreCountedAfterMerging() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space, options: DMAOptions(maximumSegments: 1))
        var device = MemoryDevice(pattern(200 * 512))
        let list = ScatterGatherList((0..<200).map { (GuestAddress($0) * 512, 512) })
        XCTAssertEqual(device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success)
    }

    func testOptionsOutsideTheirRange() throws {
        let guest = try Guest(bounceLimit: 64 << 10)
        let wrong = [
            DMAOptions(bounceLimit: 256), DMAOptions(bounceLimit: 0), DMAOptions(bounceLimit: -512),
            DMAOptions(bounceLimit: 513), DMAOptions(bounceLimit: 128 << 10),
            DMAOptions(cacheLimit: -1), DMAOptions(maximumSegments: 0),
        ]
        let mapper = try DMAMapper(guest.space)
        for options in wrong {
            XCTAssertThrowsError(try DMAMapper(guest.space, options: options)) {
                XCTAssertEqual(($0 as? GuestMemoryError)?.code, .invalidOption)
            }
            XCTAssertThrowsError(try mapper.setOptions(options)) {
                XCTAssertEqual(($0 as? GuestMemoryError)?.code, .invalidOption)
            }
        }
        XCTAssertNil(mapper.options.bounceLimit)
        try mapper.setOptions(DMAOptions(bounceLimit: 64 << 10))
        XCTAssertEqual(mapper.options.bounceLimit, 64 << 10)
    }

    func testErrorsSayWhatAndWhere() {
        let guest = try? Guest()
        XCTAssertThrowsError(try guest?.space.load(at: 0x50_0010, as: UInt8.self)) {
            XCTAssertEqual("\($0)", "nothing is mapped at 0x500010")
        }
        XCTAssertThrowsError(try GuestRAM(descriptor: -1, size: 4096)) {
            XCTAssertEqual("\($0)", "the kernel refused (errno 9)")
        }
    }
}
