import BlockIO
import CTestSupport
import VhostUserServer
import XCTest

@testable import TestSupport

/// The end of rings: a stop, a reset, and rings that are disabled.
final class RingStopTests: FrontEndTestCase {
    /// GET_VRING_BASE is answered when no request is under way, and says where the ring goes on.
    func testTheBaseWaitsForRequests() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        let release = hold([.read])
        for index in 0..<3 { frontEnd.add(VirtioType.read, length: 512, index: index) }
        frontEnd.publish()
        try waitForHeld(3)
        try frontEnd.socket.send(
            VhostMessage(request: VhostRequest.getVringBase, body: le(UInt32(0)) + le(UInt32(0))))
        // What follows is not looked at before.
        try frontEnd.socket.send(VhostMessage(request: VhostRequest.getQueueNum))
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        release()
        let reply = try frontEnd.socket.receive()
        XCTAssertEqual(reply.request, VhostRequest.getVringBase)
        XCTAssertEqual([reply.number(0, 4), reply.number(4, 4)], [0, 4])
        XCTAssertEqual(try frontEnd.socket.receive().request, VhostRequest.getQueueNum)
        XCTAssertEqual(frontEnd.driver.reap().count, 3)
        // It takes no more, and goes on where it was.
        frontEnd.add(VirtioType.read, sector: 8, length: 512)
        frontEnd.publish(always: true)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.untouched)
        try frontEnd.setUpRing(base: 4)
        try frontEnd.enable()
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.bytes(512), Self.content(at: 4096, 512))
        XCTAssertEqual(try frontEnd.stop(), 5)
        // A ring that has stopped says the same again.
        XCTAssertEqual(try frontEnd.stop(), 5)
    }

    /// Requests that wait because of a rate limit do not delay the base, a reset, or the end of the front end.
    func testARingWithARateLimitStops() throws {
        try image.setRateLimits(RateLimits(operations: RateLimit(1, per: .seconds(3600))))
        for end in 0..<3 {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            for index in 0..<8 { frontEnd.add(VirtioType.read, length: 512, index: index) }
            frontEnd.publish()
            try eventually("all are taken") { frontEnd.server.statistics.requests == 8 }
            switch end {
            case 0: XCTAssertEqual(try frontEnd.stop(), 8)
            case 1: try frontEnd.set(VhostRequest.resetDevice)
            default:
                frontEnd.socket.socket.close()
                try eventually("the front end is gone") {
                    try? frontEnd.server.turn(milliseconds: 1)
                    return !frontEnd.server.isConnected
                }
            }
            for index in 0..<8 { XCTAssertEqual(frontEnd.status(index), VirtioStatus.ok) }
        }
    }

    /// A ring that has stopped, by GET_VRING_BASE or a reset, has no addresses any more: it waits for new ones.
    func testARingThatHasStoppedHasNoAddresses() throws {
        for resets in [false, true] {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            if resets {
                try frontEnd.set(VhostRequest.resetDevice)
                try frontEnd.set(VhostRequest.setFeatures, le(FrontEnd.usualFeatures))
            } else {
                XCTAssertEqual(try frontEnd.stop(), 1)
            }
            let other = RingDriver(frontEnd.memory, size: FrontEnd.ringSize, at: 0x3_0000)
            try frontEnd.set(
                VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(FrontEnd.ringSize)))
            try frontEnd.set(VhostRequest.setVringBase, le(UInt32(0)) + le(UInt32(0)))
            try frontEnd.set(VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw])
            try frontEnd.set(VhostRequest.setVringAddr, frontEnd.addresses(of: other))
            try frontEnd.enable()
            frontEnd.driver.store(VirtioStatus.untouched, at: frontEnd.header(0) + 32)
            other.add([
                .init(address: frontEnd.header(0), length: 16),
                .init(address: FrontEnd.place(0), length: 512, isWritable: true),
                .init(address: frontEnd.header(0) + 32, length: 1, isWritable: true),
            ])
            other.publish()
            frontEnd.signal()
            try eventually("the request is used") { other.reap().count == 1 }
            XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
        }
    }

    /// A ring that never ran has the base that was set.
    func testTheBaseOfARingThatNeverRan() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        XCTAssertEqual(try frontEnd.stop(), 0)
        try frontEnd.set(VhostRequest.setVringBase, le(UInt32(0)) + le(UInt32(77)))
        XCTAssertEqual(try frontEnd.stop(), 77)
    }

    /// What is under way completes while a ring is not enabled; nothing else is taken.
    func testARingThatIsDisabled() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let release = hold([.read])
        frontEnd.add(VirtioType.read, length: 512, index: 0)
        frontEnd.publish()
        try waitForHeld(1)
        try frontEnd.enable(false)
        frontEnd.add(VirtioType.read, length: 512, index: 1)
        frontEnd.publish(always: true)
        release()
        try frontEnd.finish(1)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual([frontEnd.status(0), frontEnd.status(1)], [0, VirtioStatus.untouched])
        try frontEnd.enable()
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(1), VirtioStatus.ok)
    }

    /// Without the protocol features a ring is enabled from its start.
    func testARingWithoutProtocolFeatures() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate(
            features: FrontEnd.usualFeatures & ~VhostFeature.protocolFeatures)
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }

    /// A reset waits for requests, and the driver begins anew.
    func testResetOfTheDevice() throws {
        for request in [VhostRequest.resetDevice, VhostRequest.resetOwner] {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            let release = hold([.read])
            frontEnd.add(VirtioType.read, length: 512)
            frontEnd.publish()
            try waitForHeld(1)
            try frontEnd.socket.send(
                VhostMessage(request: request, flags: 1 | VhostMessage.needReply))
            XCTAssertTrue(try frontEnd.socket.isQuiet())
            release()
            XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
            try frontEnd.negotiate()
            try frontEnd.setUpRing()
            try frontEnd.enable()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
    }

    /// After a reset, the features say anew whether a ring waits for SET_VRING_ENABLE.
    func testAResetForgetsWhichRingsAreEnabled() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        try frontEnd.set(VhostRequest.resetDevice)
        try frontEnd.negotiate()
        try frontEnd.setUpRing()
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.publish(always: true)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.untouched)
        try frontEnd.set(VhostRequest.resetDevice)
        try frontEnd.negotiate(
            features: FrontEnd.usualFeatures & ~VhostFeature.protocolFeatures)
        try frontEnd.setUpRing()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }
}
