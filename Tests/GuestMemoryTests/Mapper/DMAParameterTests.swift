import GuestMemory
import XCTest

/// What a device asks of the mapper that cannot be: a typed error.
final class DMAParameterTests: XCTestCase {
    private static let wrong = [
        0, -1, 3, 6, 1536, 4095, 4097, 8192, 1 << 20, 1 << 62, .max, .min, -4096,
    ]

    private func assertRefused(_ step: DMAStep, _ what: String, line: UInt = #line) {
        guard case .done(let result) = step, case .fault(let error) = result.outcome else {
            return XCTFail("\(what): \(step)", line: line)
        }
        XCTAssertEqual(error.code, .invalidOption, what, line: line)
        XCTAssertFalse(error.isGuestFault, what, line: line)
        XCTAssertEqual(result.transferred, 0, what, line: line)
    }

    func testAlignments() throws {
        let guest = try Guest()
        for forceBounce in [false, true] {
            let mapper = try DMAMapper(guest.space, options: DMAOptions(forceBounce: forceBounce))
            let list = ScatterGatherList([(0, 4096)])
            for alignment in Self.wrong {
                let (_, step) = mapper.begin(list, .fromDevice, alignment: alignment)
                assertRefused(step, "alignment \(alignment)")
                XCTAssertThrowsError(
                    try mapper.map(list, .fromDevice, alignment: alignment).unmap()
                ) {
                    XCTAssertEqual(($0 as? GuestMemoryError)?.code, .invalidOption)
                }
                XCTAssertThrowsError(
                    try mapper.map(address: 0, length: 1, .toDevice, alignment: alignment).unmap()
                ) {
                    XCTAssertEqual(($0 as? GuestMemoryError)?.code, .invalidOption)
                }
            }
            // It works as before, and nothing is held.
            XCTAssertEqual(mapper.statistics.active, 0)
            var device = MemoryDevice(pattern(4096))
            XCTAssertEqual(
                device.carryOut(list, .fromDevice, on: mapper, alignment: 4096)?.outcome, .success)
        }
    }

    func testAnAlignmentAboveThePool() throws {
        let guest = try Guest(bounceLimit: 512)
        let mapper = try DMAMapper(guest.space)
        let (_, step) = mapper.begin(ScatterGatherList([(0, 4096)]), .toDevice, alignment: 1024)
        assertRefused(step, "more than the pool")
    }

    func testUnits() throws {
        let guest = try Guest(bounceLimit: 4096)
        let mapper = try DMAMapper(guest.space)
        let list = ScatterGatherList([(Guest.registersBase, 8192)])
        for unit in Self.wrong {
            let (_, step) = mapper.begin(list, .fromDevice, unit: unit)
            assertRefused(step, "unit \(unit)")
        }
        XCTAssertEqual(mapper.statistics.active, 0)
        var device = MemoryDevice(pattern(8192))
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper, unit: 4096)?.outcome, .success)
    }

    /// Offsets and sizes of regions, as far from what they may be as an `Int` is.
    func testPlacesInMemory() throws {
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 8192)
        for offset in [Int.min, -1, 8193, .max] {
            for region in [MemoryRegion.ram(ram, offset: offset), .rom(ram, offset: offset)] {
                XCTAssertThrowsError(try space.map(region, at: 0)) {
                    XCTAssertEqual(($0 as? GuestMemoryError)?.code, .invalidRegion, "\(offset)")
                }
            }
        }
    }
}
