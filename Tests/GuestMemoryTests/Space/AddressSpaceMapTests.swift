import GuestMemory
import XCTest

@testable import TestSupport

final class AddressSpaceTests: XCTestCase {
    func testPriorityDecidesWhatIsSeen() throws {
        let space = try AddressSpace()
        let low = try GuestRAM(size: 65536)
        let high = try GuestRAM(size: 4096)
        try space.map(.ram(low), at: 0)
        let cover = try space.map(.ram(high), at: 0x2000, priority: 1)
        try space.map(.hole(size: 512), at: 0x5000, priority: 1)
        try space.store(UInt32(0xdead_beef), at: 0x2ffe)
        XCTAssertEqual(try space.load(at: 0x2ffe, as: UInt16.self), 0xbeef)
        XCTAssertEqual(try space.load(at: 0x3000, as: UInt16.self), 0xdead)
        XCTAssertEqual(high.base.load(fromByteOffset: 0xffe, as: UInt16.self), 0xbeef)
        XCTAssertEqual(low.base.load(fromByteOffset: 0x3000, as: UInt16.self), 0xdead)
        XCTAssertThrowsError(try space.load(at: 0x4ffe, as: UInt32.self)) {
            let error = $0 as? GuestMemoryError
            XCTAssertEqual(error?.code, .hole)
            XCTAssertEqual(error?.address, 0x5000)
        }
        try space.unmap(cover)
        XCTAssertEqual(try space.load(at: 0x2ffe, as: UInt32.self), 0xdead_0000)
    }
}
