import GuestMemory
import XCTest

/// No arithmetic on addresses and offsets traps, since guests choose both.
final class GuestAddressTests: XCTestCase {
    func testAddressesWrapWhereTheNameSaysSo() {
        let last = GuestAddress.max
        XCTAssertEqual(last.rawValue, .max)
        XCTAssertEqual(last &+ 1, 0)
        XCTAssertEqual(last &+ .max, last &- 1)
        XCTAssertEqual(0 as GuestAddress &- 1, last)
        var address: GuestAddress = 0xffff_ffff_ffff_f000
        address &+= 0x2000
        XCTAssertEqual(address, 0x1000)
        XCTAssertEqual(address.offset(from: 0xffff_ffff_ffff_f000), 0x2000)
        XCTAssertEqual(GuestAddress(0).offset(from: last), 1)
    }

    func testAnAddressPastTheLastIsNone() {
        XCTAssertEqual(GuestAddress(5).advanced(by: 7), 12)
        XCTAssertEqual(GuestAddress(0).advanced(by: .max), .max)
        XCTAssertEqual(GuestAddress.max.advanced(by: 0), .max)
        XCTAssertNil(GuestAddress.max.advanced(by: 1))
        XCTAssertNil(GuestAddress(1).advanced(by: .max))
    }

    func testAddressesOfA32BitBusAreNotExtendedBySign() {
        XCTAssertEqual(GuestAddress(0xffff_fffe as UInt32), 0xffff_fffe)
        XCTAssertEqual("\(GuestAddress(0xffff_fffe as UInt32))", "0xfffffffe")
    }

    func testAddressesAreOrderedWithoutSign() {
        XCTAssertLessThan(0x7fff_ffff_ffff_ffff as GuestAddress, 0x8000_0000_0000_0000)
    }

    func testOffsetsInATransferWrapToo() {
        let last = TransferOffset(.max)
        XCTAssertEqual(last &+ 2, 1)
        XCTAssertEqual(0 as TransferOffset &- last, 1)
        XCTAssertLessThan(0, last)
    }
}
