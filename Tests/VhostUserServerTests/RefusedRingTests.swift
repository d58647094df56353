import BlockIO
import CTestSupport
import VhostUserServer
import XCTest

@testable import TestSupport

/// Rings that cannot be, and rings that break rules.
final class RefusedRingTests: FrontEndTestCase {
    func testRingsThatAreNotThere() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        try frontEnd.addMemory()
        for index: UInt32 in [1, 2, 255, .max] {
            for request in [
                VhostRequest.setVringNum, VhostRequest.setVringBase, VhostRequest.setVringEnable,
            ] {
                XCTAssertEqual(
                    try frontEnd.socket.acknowledgement(request, le(index) + le(UInt32(1))),
                    UInt64(EINVAL))
            }
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setVringAddr,
                    frontEnd.addresses(of: frontEnd.driver, index: index)), UInt64(EINVAL))
        }
        for request in [
            VhostRequest.setVringKick, VhostRequest.setVringCall, VhostRequest.setVringErr,
        ] {
            for index: UInt64 in [1, 255] {
                XCTAssertEqual(
                    try frontEnd.socket.acknowledgement(
                        request, le(index), [frontEnd.kick.raw]), UInt64(EINVAL))
            }
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(request, le(UInt64(0))), UInt64(EBADF))
        }
        for size: UInt32 in [0, 3, 512, 1 << 15, .max] {
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setVringNum, le(UInt32(0)) + le(size)), UInt64(EINVAL))
        }
        for base: UInt32 in [1 << 16, .max] {
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setVringBase, le(UInt32(0)) + le(base)), UInt64(EINVAL))
        }
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringEnable, le(UInt32(0)) + le(UInt32(2))), UInt64(EINVAL))
        // There is no reply that says so.
        try frontEnd.socket.send(
            VhostMessage(request: VhostRequest.getVringBase, body: le(UInt32(1)) + le(UInt32(0))))
        XCTAssertTrue(try frontEnd.socket.isHungUp())
    }

    /// Rings outside of memory, in part of it, or not aligned: the front end hears of it twice, and can try
    /// again.
    func testRingsOutsideOfMemory() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        try frontEnd.addMemory()
        try frontEnd.set(VhostRequest.setVringErr, le(UInt64(0)), [frontEnd.error.raw])
        try frontEnd.set(
            VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(frontEnd.driver.size)))
        try frontEnd.set(VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw])
        let driver = frontEnd.driver
        let good = [driver.base, driver.used, driver.available].map { FrontEnd.userBase + $0 }
        let end = FrontEnd.userBase + UInt64(FrontEnd.memorySize)
        for place in 0..<3 {
            // The last ones are guest addresses, which a ring is not named by.
            for address in [
                0, .max, .max - 16, end, end - 16, FrontEnd.userBase - 16, good[place] + 1,
                [driver.base, driver.used, driver.available][place],
            ] {
                var addresses = good
                addresses[place] = address
                let body =
                    le(UInt32(0)) + le(UInt32(0)) + addresses.flatMap { le($0) } + le(UInt64(0))
                XCTAssertNotEqual(
                    try frontEnd.socket.acknowledgement(VhostRequest.setVringAddr, body), 0,
                    "\(place) \(address)")
                XCTAssertTrue(FrontEnd.take(frontEnd.error), "\(place) \(address)")
            }
        }
        try frontEnd.set(VhostRequest.setVringAddr, frontEnd.addresses(of: driver))
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertFalse(FrontEnd.take(frontEnd.error))
    }

    /// A hostile ring is not looked at any more; after a stop the front end can begin anew.
    func testARingThatBreaksRules() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let driver = frontEnd.driver
        driver.store(UInt16(1000), at: driver.available + 2)
        frontEnd.signal()
        try eventually("the error descriptor is written") { FrontEnd.take(frontEnd.error) }
        _ = try frontEnd.stop()
        try frontEnd.negotiate()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertFalse(FrontEnd.take(frontEnd.error))
    }

    /// A running ring stays what it is.
    func testARunningRingCannotBeChanged() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(32))), UInt64(EBUSY))
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringBase, le(UInt32(0)) + le(UInt32(5))), UInt64(EBUSY))
        var addresses = frontEnd.addresses(of: frontEnd.driver)
        try frontEnd.set(VhostRequest.setVringAddr, addresses)
        addresses[8] ^= 0x40
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(VhostRequest.setVringAddr, addresses),
            UInt64(EBUSY))
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }
}
