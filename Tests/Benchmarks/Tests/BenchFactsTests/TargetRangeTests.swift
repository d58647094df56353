import BenchFacts
import XCTest

final class TargetRangeTests: XCTestCase {
    private func range(
        _ offset: UInt64, _ length: UInt64?, size: UInt64 = 1 << 20, alignment: Int = 512
    ) throws -> TargetRange {
        try TargetRange(offset: offset, length: length, size: size, alignment: alignment)
    }

    private func assertRefused(
        _ offset: UInt64, _ length: UInt64?, alignment: Int = 512, _ reason: String,
        line: UInt = #line
    ) {
        XCTAssertThrowsError(try range(offset, length, alignment: alignment), line: line) {
            XCTAssertTrue("\($0)".contains(reason), "\($0)", line: line)
        }
    }

    func testWithoutALengthTheRangeEndsWithTheTarget() throws {
        XCTAssertEqual(try range(0, nil).length, 1 << 20)
        XCTAssertEqual(try range(4096, nil).length, (1 << 20) - 4096)
    }

    func testARangeMayEndWhereTheTargetEnds() throws {
        let end = try range((1 << 20) - 512, 512)
        XCTAssertEqual(end.offset, (1 << 20) - 512)
        XCTAssertEqual(end.length, 512)
    }

    func testARangeBeyondTheTargetIsRefused() {
        assertRefused(512, 1 << 20, "beyond the 1048576 bytes")
        assertRefused(512, .max, "beyond the 1048576 bytes")
        assertRefused(1 << 20, nil, "not within the 1048576 bytes")
        assertRefused(.max - 511, 512, "not within")
    }

    func testAnOffsetThatDirectInputCannotReachIsRefused() {
        assertRefused(512, 512, alignment: 4096, "not a multiple of the alignment, 4096")
    }

    func testAnEmptyTargetHasAnEmptyRange() throws {
        XCTAssertEqual(try range(0, nil, size: 0).length, 0)
    }
}
