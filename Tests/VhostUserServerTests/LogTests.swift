import CTestSupport
import GuestMemory
import XCTest

@testable import TestSupport

/// The log of written pages, which a migration of the virtual machine needs.
final class LogTests: FrontEndTestCase {
    private static let features = FrontEnd.usualFeatures | 1 << 26
    private static let protocolFeatures = FrontEnd.usualProtocolFeatures | 1 << 1

    /// The numbers of the pages whose bits are set.
    private func pages(_ log: GuestRAM) -> [UInt64] {
        (0..<UInt64(log.size) * 8).filter { page in
            log.base.load(fromByteOffset: Int(page / 8), as: UInt8.self) & 1 << UInt8(page % 8) != 0
        }
    }

    private func setLog(_ frontEnd: FrontEnd, _ log: GuestRAM, size: Int? = nil) throws {
        let reply = try frontEnd.socket.ask(
            VhostRequest.setLogBase, le(UInt64(size ?? log.size)) + le(UInt64(0)),
            [log.descriptor])
        XCTAssertEqual(reply.number(0, 8), 0)
    }

    private func started() throws -> FrontEnd {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate(protocolFeatures: Self.protocolFeatures)
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        return frontEnd
    }

    func testWrittenPagesAreLogged() throws {
        let frontEnd = try started()
        let log = try GuestRAM(size: 4096, sharing: .descriptor)
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 8192), VirtioStatus.ok)
        try setLog(frontEnd, log)
        XCTAssertEqual(pages(log), [])
        // While the ring runs.
        try frontEnd.set(VhostRequest.setFeatures, le(Self.features))
        try frontEnd.set(VhostRequest.setVringAddr, frontEnd.addresses(of: frontEnd.driver))
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 8192), VirtioStatus.ok)
        frontEnd.fill(Self.pattern(4096), index: 3)
        frontEnd.add(VirtioType.write, sector: 8, length: 4096, index: 3)
        frontEnd.publish()
        try frontEnd.finish(1)
        XCTAssertEqual(try frontEnd.stop(), 3)
        // Data of the read, both status bytes in one page, and the used ring; what was read by the device is
        // not in it.
        let expected = [
            frontEnd.driver.used, frontEnd.header(0), FrontEnd.place(0), FrontEnd.place(0) + 4096,
        ]
        XCTAssertEqual(pages(log), expected.map { $0 >> 12 }.sorted())
        // Not any more.
        memset(log.base, 0, 4096)
        try frontEnd.set(VhostRequest.setFeatures, le(FrontEnd.usualFeatures))
        try frontEnd.setUpRing(base: 3)
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 8192), VirtioStatus.ok)
        XCTAssertEqual(try frontEnd.stop(), 4)
        XCTAssertEqual(pages(log), [])
    }

    /// A log that is shorter than memory, another log while the first is used, and memory that comes later.
    func testOtherLogs() throws {
        let frontEnd = try started()
        let (first, second) = (
            try GuestRAM(size: 4096, sharing: .descriptor),
            try GuestRAM(size: 4096, sharing: .descriptor)
        )
        try frontEnd.set(VhostRequest.setFeatures, le(Self.features))
        // 17 bytes: up to page 135. The data begins at page 256.
        try setLog(frontEnd, first, size: 17)
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 4096), VirtioStatus.ok)
        try setLog(frontEnd, second)
        XCTAssertEqual(
            pages(first), [frontEnd.driver.used, frontEnd.header(0)].map { $0 >> 12 }.sorted())
        let other = try GuestRAM(size: 8192, sharing: .descriptor)
        try frontEnd.set(
            VhostRequest.addMemReg,
            le(UInt64(0))
                + FrontEnd.region(guest: 0x200_0800, size: 4096, user: 0x1000, offset: 0x800),
            [other.descriptor])
        let driver = frontEnd.driver
        frontEnd.driver.store(VirtioType.read, at: frontEnd.header(0))
        driver.add([
            .init(address: frontEnd.header(0), length: 16),
            .init(address: 0x200_0800, length: 4096, isWritable: true),
            .init(address: frontEnd.header(0) + 32, length: 1, isWritable: true),
        ])
        frontEnd.publish()
        try frontEnd.finish(1)
        XCTAssertEqual(try frontEnd.stop(), 2)
        XCTAssertEqual(
            pages(second),
            [frontEnd.driver.used >> 12, frontEnd.header(0) >> 12, 0x2000, 0x2001])
    }

    /// Memory that is taken away while a request writes to it: the pages are in the log before the
    /// acknowledgement, whatever has become of the ring.
    func testMemoryThatIsTakenAwayIsLogged() throws {
        for (isTable, isBroken) in [(false, false), (true, false), (false, true)] {
            let frontEnd = try started()
            let log = try GuestRAM(size: 4096, sharing: .descriptor)
            try setLog(frontEnd, log)
            try frontEnd.set(VhostRequest.setFeatures, le(Self.features))
            let other = try GuestRAM(size: 8192, sharing: .descriptor)
            let region = FrontEnd.region(guest: 0x200_0000, size: 8192, user: 0x1000)
            try frontEnd.set(
                VhostRequest.addMemReg, le(UInt64(0)) + region, [other.descriptor])
            let release = hold([.read])
            let driver = frontEnd.driver
            driver.store(VirtioType.read, at: frontEnd.header(0))
            driver.add([
                .init(address: frontEnd.header(0), length: 16),
                .init(address: 0x200_0000, length: 4096, isWritable: true),
                .init(address: frontEnd.header(0) + 32, length: 1, isWritable: true),
            ])
            frontEnd.publish()
            try waitForHeld(1)
            if isBroken {
                driver.store(UInt16(1000), at: driver.available + 2)
                frontEnd.signal()
                try eventually("the ring is broken") { FrontEnd.take(frontEnd.error) }
            }
            let request = isTable ? VhostRequest.setMemTable : VhostRequest.remMemReg
            try frontEnd.socket.send(
                VhostMessage(
                    request: request, flags: 1 | VhostMessage.needReply,
                    body: isTable
                        ? le(UInt32(1)) + le(UInt32(0)) + FrontEnd.wholeMemory
                        : le(UInt64(0)) + region),
                isTable ? [frontEnd.memory.descriptor] : [])
            XCTAssertTrue(try frontEnd.socket.isQuiet())
            XCTAssertFalse(pages(log).contains(0x2000))
            release()
            XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
            XCTAssertTrue(pages(log).contains(0x2000), "\(isTable) \(isBroken)")
        }
    }

    /// A log that the front end makes shorter has no bits any more, and the ring goes on.
    func testALogThatIsTruncated() throws {
        try GuestRAM.surviveTruncation()
        let frontEnd = try started()
        let file = try PeerFile(size: 4096, fill: 0)
        let reply = try frontEnd.socket.ask(
            VhostRequest.setLogBase, le(UInt64(4096)) + le(UInt64(0)), [file.descriptor])
        XCTAssertEqual(reply.number(0, 8), 0)
        try frontEnd.set(VhostRequest.setFeatures, le(Self.features))
        try file.shorten(to: 0)
        for _ in 0..<3 {
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
        XCTAssertEqual(try frontEnd.stop(), 3)
    }

    func testLogsThatCannotBe() throws {
        let frontEnd = try started()
        let log = try GuestRAM(size: 4096, sharing: .descriptor)
        for (size, offset, descriptors) in [
            (4096, 0, []), (0, 0, [log.descriptor]), (4097, 0, [log.descriptor]),
            (4096, 4096, [log.descriptor]), (.max, 0, [log.descriptor]),
            (16, .max - 8, [log.descriptor]), (4096, 0, [frontEnd.kick.raw]),
        ] as [(UInt64, UInt64, [CInt])] {
            XCTAssertNotEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setLogBase, le(size) + le(offset), descriptors), 0)
        }
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }
}
