import BlockHost
import CTestSupport
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VhostUserServer

/// Where messages begin and end, which descriptors are whose, and what becomes of wrong messages.
final class FramingTests: FrontEndTestCase {
    /// Everything that starts a ring is sent before the server looks at the socket: messages with
    /// descriptors, glued to others.
    func testGluedMessagesKeepTheirDescriptors() throws {
        let frontEnd = try frontEnd()
        let driver = frontEnd.driver
        let messages: [(UInt32, [UInt8], [CInt])] = [
            (VhostRequest.setProtocolFeatures, le(FrontEnd.usualProtocolFeatures), []),
            (VhostRequest.setOwner, [], []),
            (VhostRequest.setVringCall, le(UInt64(0)), [frontEnd.call.raw]),
            (VhostRequest.setFeatures, le(FrontEnd.usualFeatures), []),
            (
                VhostRequest.addMemReg, le(UInt64(0)) + FrontEnd.wholeMemory,
                [frontEnd.memory.descriptor]
            ),
            (VhostRequest.setVringNum, le(UInt32(0)) + le(UInt32(driver.size)), []),
            (VhostRequest.setVringErr, le(UInt64(0)), [frontEnd.error.raw]),
            (VhostRequest.setVringBase, le(UInt64(0)), []),
            (VhostRequest.setVringAddr, frontEnd.addresses(of: driver), []),
            (VhostRequest.setVringKick, le(UInt64(0)), [frontEnd.kick.raw]),
            (VhostRequest.setVringEnable, le(UInt32(0)) + le(UInt32(1)), []),
        ]
        for (request, body, descriptors) in messages {
            try frontEnd.socket.send(VhostMessage(request: request, body: body), descriptors)
        }
        XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getQueueNum).number(0, 8), 1)
        XCTAssertEqual(try frontEnd.run(VirtioType.read, sector: 8, length: 512), VirtioStatus.ok)
        XCTAssertEqual(frontEnd.bytes(512), Self.content(at: 4096, 512))
        try eventually("the call descriptor is written") { FrontEnd.take(frontEnd.call) }
        XCTAssertFalse(FrontEnd.take(frontEnd.error))
    }

    func testMessagesMayComeByteByByte() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let message = VhostMessage(
            request: VhostRequest.addMemReg, flags: 1 | VhostMessage.needReply,
            body: le(UInt64(0)) + FrontEnd.wholeMemory)
        for (index, byte) in message.bytes.enumerated() {
            try frontEnd.socket.send([byte], index == 14 ? [frontEnd.memory.descriptor] : [])
            if index < message.bytes.count - 1 { XCTAssertTrue(try frontEnd.socket.isQuiet()) }
        }
        XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }

    func testSizesThatNoMessageHasEndTheConnection() throws {
        for size in [4097, UInt32.max, 1 << 31] {
            let frontEnd = try frontEnd()
            try frontEnd.socket.send(
                le(VhostRequest.getFeatures) + le(UInt32(1)) + le(size))
            XCTAssertTrue(try frontEnd.socket.isHungUp())
            XCTAssertFalse(frontEnd.server.isConnected)
        }
    }

    /// Another version of the protocol, no version, and a reply that nobody asked for.
    func testOtherFlagsEndTheConnection() throws {
        for flags: UInt32 in [0, 2, 3, 1 | VhostMessage.reply] {
            let frontEnd = try frontEnd()
            try frontEnd.socket.send(
                VhostMessage(request: VhostRequest.getFeatures, flags: flags))
            XCTAssertTrue(try frontEnd.socket.isHungUp(), "flags \(flags)")
        }
    }

    /// With an acknowledgement the front end is told; without, it would go on as if nothing had happened.
    func testUnknownMessages() throws {
        for request: UInt32 in [0, 20, 22, 28, 35, 39, 41, 1000, .max] {
            let frontEnd = try frontEnd()
            try frontEnd.negotiate()
            XCTAssertEqual(
                try frontEnd.socket.acknowledgement(request, le(UInt64(0))), UInt64(ENOSYS))
            XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getQueueNum).number(0, 8), 1)
            try frontEnd.socket.send(VhostMessage(request: request))
            XCTAssertTrue(try frontEnd.socket.isHungUp(), "message \(request)")
        }
    }

    /// Bodies that are too short, too long or absent, of each message.
    func testWrongSizesAreRefused() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        for request in 1...UInt32(41)
        where !VhostRequest.replied.contains(request) && request != VhostRequest.setOwner
            && request != VhostRequest.resetOwner && request != VhostRequest.resetDevice
        {
            for count in [0, 7, 9, 400] {
                let body = [UInt8](repeating: 0xFF, count: count)
                XCTAssertNotEqual(
                    try frontEnd.socket.acknowledgement(request, body), 0,
                    "message \(request) of \(count) bytes")
            }
        }
        // It goes on as if nothing had been.
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }

    func testDescriptorsThatNobodyTakesAreClosed() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let pipe = try Descriptor.pipe()
        for number in [1, 2, 8, 9, 40] {
            let copies = [CInt](repeating: pipe.writing.raw, count: number)
            XCTAssertEqual(
                try frontEnd.socket.ask(VhostRequest.getQueueNum, [], copies).number(0, 8), 1)
        }
        // Two where one belongs: refused, and closed.
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setVringCall, le(UInt64(0)), [pipe.writing.raw, pipe.writing.raw]),
            UInt64(EBADF))
        pipe.writing.close()
        XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getQueueNum).number(0, 8), 1)
        // At its end, the pipe is readable: nobody has the other side any more.
        XCTAssertEqual(cts_wait_readable(pipe.reading.raw, 0), 1)
    }

    /// libblkio asks for an acknowledgement of nearly everything: what has a reply has one answer only.
    func testAReplyIsTheOnlyAnswer() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        for request in VhostRequest.replied.sorted() {
            let body =
                request == VhostRequest.getConfig
                ? le(UInt32(0)) + le(UInt32(60)) + le(UInt32(0)) + [UInt8](repeating: 0, count: 60)
                : request == VhostRequest.getInflightFD
                    ? le(UInt64(0)) + le(UInt64(0)) + le(UInt16(1)) + le(UInt16(64)) + le(UInt32(0))
                    : le(UInt64(0))
            _ = try frontEnd.socket.ask(request, body, flags: 1 | VhostMessage.needReply)
            XCTAssertTrue(try frontEnd.socket.isQuiet(), "message \(request)")
        }
    }

    /// The flag means something only when the feature was agreed on.
    func testNoAcknowledgementWithoutTheFeature() throws {
        let frontEnd = try frontEnd()
        try frontEnd.socket.send(
            VhostMessage(request: VhostRequest.setOwner, flags: 1 | VhostMessage.needReply))
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getQueueNum).number(0, 8), 1)
    }

    /// A front end that asks without reading the answers is disconnected; the server does not wait for it.
    func testAFrontEndThatReadsNothing() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let message = VhostMessage(request: VhostRequest.getFeatures).bytes
        for _ in 0..<20_000 where frontEnd.server.isConnected {
            guard cts_send(frontEnd.socket.socket.raw, message, message.count, nil, 0) > 0 else {
                break
            }
            try frontEnd.server.turn(milliseconds: 0)
        }
        XCTAssertFalse(frontEnd.server.isConnected)
    }
}
