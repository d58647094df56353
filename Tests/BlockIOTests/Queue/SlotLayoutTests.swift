import XCTest

@testable import BlockIO

/// The places of the parts of a slot, which pointers to it assume.
final class SlotLayoutTests: XCTestCase {
    func testAssumptions() {
        XCTAssertTrue(IORequest.isLaidOutAsAssumed)
        XCTAssertTrue(WriteTicket.isLaidOutAsAssumed)
    }

    func testPartsOfASlot() {
        let slot = RequestPointer(allocating: IORequest())
        defer { slot.destroy() }
        slot.pointee.singleBuffer = IOVector(
            iovec(iov_base: UnsafeMutableRawPointer(bitPattern: 4096), iov_len: 512))
        XCTAssertEqual(slot.singleBufferList.map(\.address), [4096])
        XCTAssertEqual(slot.singleBufferList.map(\.length), [512])
        slot.pointee.submission = EngineSubmission(.truncate, at: 8192, length: 0)
        XCTAssertEqual(slot.cSubmission.pointee.position, 8192)
        XCTAssertEqual(RequestPointer(slot.cSubmission), slot)
    }
}
