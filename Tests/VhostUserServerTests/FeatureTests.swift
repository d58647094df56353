import BlockIO
import VhostUserServer
import XCTest

@testable import TestSupport

/// Features and the configuration space.
final class FeatureTests: FrontEndTestCase {
    func testFeaturesAreThoseOfDeviceAndTransport() throws {
        let frontEnd = try frontEnd()
        let offered = try frontEnd.socket.ask(VhostRequest.getFeatures).number(0, 8)
        XCTAssertEqual(offered & FrontEnd.usualFeatures, FrontEnd.usualFeatures)
        XCTAssertEqual(offered & VhostFeature.readOnly, 0)
        let protocolFeatures = try frontEnd.socket.ask(VhostRequest.getProtocolFeatures).number(
            0, 8)
        XCTAssertEqual(
            protocolFeatures & FrontEnd.usualProtocolFeatures, FrontEnd.usualProtocolFeatures)
        XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getQueueNum).number(0, 8), 1)
        XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getMaxMemSlots).number(0, 8), 509)
    }

    func testAReadOnlyImage() throws {
        let frontEnd = try FrontEnd(try open(.readOnly))
        let offered = try frontEnd.socket.ask(VhostRequest.getFeatures).number(0, 8)
        XCTAssertEqual(offered & VhostFeature.readOnly, VhostFeature.readOnly)
        try frontEnd.negotiate(features: FrontEnd.usualFeatures | VhostFeature.readOnly)
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertEqual(
            try frontEnd.run(VirtioType.write, length: 512), VirtioStatus.ioError)
    }

    /// Validation comes before acceptance: what was refused has no effect.
    func testFeaturesThatAreNotOffered() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        for features in [FrontEnd.usualFeatures | 1 << 63, FrontEnd.usualFeatures | 1, 0] {
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(VhostRequest.setFeatures, le(features)),
                UInt64(EINVAL))
        }
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setProtocolFeatures, le(VhostFeature.replyAck | 1 << 40)),
            UInt64(EINVAL))
        // Acknowledgements, the event index and the rest are as they were.
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        let other = FrontEnd.usualFeatures & ~VhostFeature.flush
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(VhostRequest.setFeatures, le(other)),
            UInt64(EBUSY))
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setFeatures, le(FrontEnd.usualFeatures)), 0)
    }

    /// A front end that has not accepted VERSION_1 would have rings of another kind.
    func testARingNeedsVersion1() throws {
        let frontEnd = try frontEnd()
        try frontEnd.socket.send(
            VhostMessage(
                request: VhostRequest.setProtocolFeatures,
                body: le(FrontEnd.usualProtocolFeatures)))
        for resets in [false, true] {
            if resets {
                try frontEnd.set(VhostRequest.resetDevice)
            } else {
                try frontEnd.addMemory()
            }
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(VhostRequest.setFeatures, le(UInt64(0))),
                UInt64(EINVAL))
            try frontEnd.set(
                VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(FrontEnd.ringSize)))
            try frontEnd.set(VhostRequest.setVringAddr, frontEnd.addresses(of: frontEnd.driver))
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw]),
                UInt64(EINVAL))
            try frontEnd.negotiate()
            try frontEnd.setUpRing()
            try frontEnd.enable()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
    }

    // MARK: The configuration space

    private func configuration(
        _ frontEnd: FrontEnd, offset: UInt32, size: UInt32, room: Int? = nil
    ) throws -> VhostMessage {
        try frontEnd.socket.ask(
            VhostRequest.getConfig,
            le(offset) + le(size) + le(UInt32(0))
                + [UInt8](repeating: 0xAA, count: room ?? Int(size)))
    }

    /// QEMU asks for 57 bytes, libblkio for 60.
    func testConfiguration() throws {
        let frontEnd = try frontEnd()
        let whole = try configuration(frontEnd, offset: 0, size: 60)
        XCTAssertEqual(whole.body.count, 12 + 60)
        XCTAssertEqual(whole.number(0, 4), 0)
        XCTAssertEqual(whole.number(4, 4), 60)
        XCTAssertEqual(whole.number(12, 8), UInt64(Self.size / 512))
        XCTAssertEqual(whole.number(12 + 20, 4), 512)
        XCTAssertEqual(whole.body[12 + 32], 1)
        for size: UInt32 in [1, 8, 57, 256] {
            let part = try configuration(frontEnd, offset: 0, size: size)
            XCTAssertEqual(part.body.count, 12 + Int(size))
            XCTAssertEqual(part.body[12..<13], whole.body[12..<13])
        }
        for offset: UInt32 in [1, 20, 32, 59] {
            let part = try configuration(frontEnd, offset: offset, size: 60 - offset)
            XCTAssertEqual(Array(part.body[12...]), Array(whole.body[(12 + Int(offset))...]))
            XCTAssertEqual(part.number(0, 4), UInt64(offset))
        }
        XCTAssertEqual(
            Array(try configuration(frontEnd, offset: 60, size: 100).body[12...]),
            [UInt8](repeating: 0, count: 100))
    }

    /// They have no configuration in their reply.
    func testConfigurationsThatDoNotExist() throws {
        let frontEnd = try frontEnd()
        for (offset, size) in [(0, 257), (257, 1), (.max, .max), (.max, 1)] as [(UInt32, UInt32)] {
            XCTAssertEqual(
                try configuration(frontEnd, offset: offset, size: size, room: 100).body, [])
        }
        XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getConfig, [1, 2, 3]).body, [])
    }

    /// Only the write cache can be set.
    func testTheWriteCacheCanBeSwitched() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        for value: UInt8 in [0, 1, 0] {
            try frontEnd.set(
                VhostRequest.setConfig, le(UInt32(32)) + le(UInt32(1)) + le(UInt32(0)) + [value])
            XCTAssertEqual(
                try configuration(frontEnd, offset: 32, size: 1).body[12], value)
        }
        for (offset, bytes) in [(0, [9]), (31, [0, 1]), (32, []), (256, [1])] as [(UInt32, [UInt8])]
        {
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setConfig,
                    le(offset) + le(UInt32(bytes.count)) + le(UInt32(0)) + bytes), UInt64(EINVAL))
        }
        // A size that the message does not have.
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setConfig, le(UInt32(32)) + le(UInt32(200)) + le(UInt32(0)) + [1]),
            UInt64(EINVAL))
        try frontEnd.set(VhostRequest.resetDevice)
        XCTAssertEqual(try configuration(frontEnd, offset: 32, size: 1).body[12], 1)
    }

    // MARK: Options

    func testOptionsOutsideOfTheirRanges() throws {
        for options in [
            VhostUserOptions(queueCount: 0), VhostUserOptions(queueCount: 257),
            VhostUserOptions(queueSize: 100),
            VhostUserOptions(serial: "a serial number that is too long"),
            VhostUserOptions(pollLimit: .seconds(2)),
        ] {
            XCTAssertThrowsError(try frontEnd(options))
        }
        // More queues than the image allows, by one server and by two.
        for options in [VhostUserOptions(queueCount: 2), VhostUserOptions()] {
            let second = options.queueCount == 1 ? try frontEnd() : nil
            XCTAssertThrowsError(try frontEnd(options)) {
                guard case .device(.image(let error)) = $0 as? VhostUserError else {
                    return XCTFail("\($0)")
                }
                XCTAssertEqual(error.code, .tooManyQueues)
            }
            withExtendedLifetime(second) {}
        }
        let second = try frontEnd()
        XCTAssertEqual(try second.socket.ask(VhostRequest.getQueueNum).number(0, 8), 1)
    }

    func testTheSerialNumber() throws {
        let frontEnd = try frontEnd(VhostUserOptions(serial: "BIO-42"))
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.identify, length: 20), VirtioStatus.ok)
        XCTAssertEqual(
            frontEnd.bytes(20), Array("BIO-42".utf8) + [UInt8](repeating: 0, count: 14))
    }
}
