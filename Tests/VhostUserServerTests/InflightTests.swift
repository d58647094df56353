import CTestSupport
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VhostUserServer

/// The inflight region: what a server that was killed leaves for the next one.
final class InflightTests: FrontEndTestCase {
    private static let layout =
        le(UInt16(1)) + le(UInt16(UInt16(FrontEnd.ringSize))) + le(UInt32(0))

    /// Asks for a region, and gives it to the server: its descriptor and its size.
    private func region(_ frontEnd: FrontEnd) throws -> (file: Descriptor, size: Int) {
        let reply = try frontEnd.socket.ask(
            VhostRequest.getInflightFD, le(UInt64(0)) + le(UInt64(0)) + Self.layout)
        let file = try XCTUnwrap(frontEnd.socket.descriptors.first)
        return (file, Int(reply.number(0, 8)))
    }

    private func set(_ frontEnd: FrontEnd, _ file: Descriptor, _ size: Int) throws {
        try frontEnd.set(
            VhostRequest.setInflightFD, le(UInt64(size)) + le(UInt64(0)) + Self.layout,
            [file.raw])
    }

    /// The region as the specification has it.
    private struct Region {
        let ram: GuestRAM
        init(_ file: Descriptor) throws { ram = try GuestRAM(descriptor: file.raw, size: 4096) }

        func u16(_ offset: Int) -> UInt16 { ram.base.load(fromByteOffset: offset, as: UInt16.self) }
        func isUnderWay(_ head: UInt16) -> Bool {
            ram.base.load(fromByteOffset: 16 + 16 * Int(head), as: UInt8.self) == 1
        }
        func set(_ value: UInt16, at offset: Int) {
            ram.base.storeBytes(of: value, toByteOffset: offset, as: UInt16.self)
        }
        func set(_ head: UInt16, isUnderWay: Bool, number: UInt64 = 0, before: UInt16 = 0) {
            let place = 16 + 16 * Int(head)
            ram.base.storeBytes(of: isUnderWay ? 1 : 0, toByteOffset: place, as: UInt8.self)
            ram.base.storeBytes(of: before, toByteOffset: place + 6, as: UInt16.self)
            ram.base.storeBytes(of: number, toByteOffset: place + 8, as: UInt64.self)
        }
    }

    private func start(_ frontEnd: FrontEnd, _ file: Descriptor, _ size: Int) throws {
        try frontEnd.addMemory()
        try set(frontEnd, file, size)
        try frontEnd.setUpRing()
        try frontEnd.enable()
    }

    func testTheRegionShowsWhatIsUnderWay() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let (file, size) = try region(frontEnd)
        XCTAssertEqual(size, (16 + 16 * FrontEnd.ringSize + 63) & ~63)
        let region = try Region(file)
        XCTAssertEqual(region.u16(8), 1)
        XCTAssertEqual(region.u16(10), UInt16(FrontEnd.ringSize))
        try start(frontEnd, file, size)
        let release = hold([.read])
        let heads = (0..<3).map { frontEnd.add(VirtioType.read, length: 512, index: $0) }
        frontEnd.publish()
        try waitForHeld(3)
        for head in 0..<UInt16(FrontEnd.ringSize) {
            XCTAssertEqual(region.isUnderWay(head), heads.contains(head))
        }
        release()
        try frontEnd.finish(3)
        XCTAssertEqual(try frontEnd.stop(), 3)
        for head in heads { XCTAssertFalse(region.isUnderWay(head)) }
        XCTAssertEqual(region.u16(14), 3)
    }

    /// A server that was killed with requests under way, some of them after the ring showed them: the others
    /// are done in the order in which they were taken.
    func testTheNextServerGoesOn() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let (file, size) = try region(frontEnd)
        let region = try Region(file)
        // Requests 0 to 4: 1 was in the used ring, with its flag not cleared yet. 0, 2 and 3 were under way,
        // in the order 3, 0, 2. The server had not seen 4.
        let heads = (0..<5).map {
            frontEnd.add(VirtioType.read, sector: UInt64(8 * $0), length: 512, index: $0)
        }
        let driver = frontEnd.driver
        frontEnd.driver.publish()
        driver.store(UInt32(heads[1]), at: driver.used + 4)
        driver.store(UInt32(513), at: driver.used + 8)
        driver.store(UInt16(1), at: driver.used + 2)
        driver.store(VirtioStatus.ok, at: frontEnd.header(1) + 32)
        region.set(heads[3], isUnderWay: true, number: 7)
        region.set(heads[1], isUnderWay: true, number: 8, before: 40)
        region.set(heads[0], isUnderWay: true, number: 9)
        region.set(heads[2], isUnderWay: true, number: 10)
        region.set(heads[1], at: 12)
        region.set(0, at: 14)
        let release = hold([.read])
        try frontEnd.addMemory()
        try set(frontEnd, file, size)
        // What a front end without inflight regions would say is not what counts.
        try frontEnd.setUpRing(base: 1)
        try frontEnd.enable()
        try waitForHeld(4)
        XCTAssertFalse(region.isUnderWay(heads[1]))
        XCTAssertEqual(region.u16(14), 1)
        release()
        let used = try frontEnd.finish(5)
        XCTAssertEqual(used[0], heads[1])
        XCTAssertEqual(Set(used), Set(heads))
        XCTAssertEqual(used.count, 5)
        for index in [0, 2, 3, 4] {
            XCTAssertEqual(frontEnd.status(index), VirtioStatus.ok)
            XCTAssertEqual(
                frontEnd.bytes(512, index: index), Self.content(at: 4096 * index, 512))
        }
        XCTAssertEqual(try frontEnd.stop(), 5)
        XCTAssertEqual(frontEnd.server.statistics.requests, 4)
    }

    /// A ring that stops before it was enabled ends the requests that the former server took: where it stopped is
    /// behind them, and a server without the region begins there.
    func testARingThatWasNeverEnabledLosesNothing() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let (file, size) = try region(frontEnd)
        let region = try Region(file)
        let heads = (0..<3).map {
            frontEnd.add(VirtioType.read, sector: UInt64(8 * $0), length: 512, index: $0)
        }
        frontEnd.driver.publish()
        region.set(heads[0], isUnderWay: true, number: 1)
        region.set(heads[1], isUnderWay: true, number: 2)
        try frontEnd.addMemory()
        try set(frontEnd, file, size)
        try frontEnd.setUpRing()
        XCTAssertEqual(frontEnd.server.statistics.requests, 0)
        let base = try frontEnd.stop()
        XCTAssertEqual(base, 2)
        XCTAssertEqual(Set(frontEnd.driver.reap().map(\.head)), Set(heads[..<2]))
        for head in heads { XCTAssertFalse(region.isUnderWay(head)) }
        // A device without the region.
        try frontEnd.set(VhostRequest.resetDevice)
        try frontEnd.negotiate(keepsRing: true)
        try frontEnd.setUpRing(base: base)
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.finish(1), [heads[2]])
        for index in 0..<3 {
            XCTAssertEqual(frontEnd.status(index), VirtioStatus.ok)
            XCTAssertEqual(
                frontEnd.bytes(512, index: index), Self.content(at: 4096 * index, 512))
        }
        XCTAssertEqual(try frontEnd.stop(), 3)
    }

    /// cloud-hypervisor says where the available ring ends, with requests in it that no server has taken.
    func testTheIndexOfTheAvailableRingIsNotTheBase() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let (file, size) = try region(frontEnd)
        for index in 0..<2 { frontEnd.add(VirtioType.read, length: 512, index: index) }
        frontEnd.driver.publish()
        try frontEnd.addMemory()
        try set(frontEnd, file, size)
        try frontEnd.setUpRing(base: 2)
        try frontEnd.enable()
        try frontEnd.finish(2)
        XCTAssertEqual([frontEnd.status(0), frontEnd.status(1)], [0, 0])
        XCTAssertEqual(try frontEnd.stop(), 2)
    }

    /// After a reset, nothing is recorded, and nothing resumed, until there is a region again.
    func testAResetForgetsTheRegion() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let (file, size) = try region(frontEnd)
        try start(frontEnd, file, size)
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        try frontEnd.set(VhostRequest.resetDevice)
        let region = try Region(file)
        XCTAssertEqual(region.u16(14), 1)
        region.set(9, isUnderWay: true, number: 3)
        try frontEnd.negotiate()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        for _ in 0..<2 {
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
        XCTAssertEqual(frontEnd.server.statistics.requests, 3)
        XCTAssertEqual(region.u16(14), 1)
        XCTAssertTrue(region.isUnderWay(9))
    }

    /// The order in which requests were taken, whatever their numbers in the ring.
    func testRequestsAreResumedInTheirOrder() throws {
        let file = Descriptor(try SystemCall.check(cts_memfd(8192), "memfd_create"))
        let region = try Region(file)
        for (head, number) in [(5, 30), (1, 31), (9, 12), (63, 2)] as [(UInt16, UInt64)] {
            region.set(head, isUnderWay: true, number: number)
        }
        let log = InflightLog(
            try InflightRegion(
                descriptor: file.raw, offset: 0, size: 4096, queueCount: 1, queueSize: 64), 0,
            size: 64)
        XCTAssertEqual(log.resume(usedIndex: 0), [63, 9, 5, 1])
        // Numbers go on behind those that were there.
        log.requestTaken(2)
        XCTAssertEqual(log.resume(usedIndex: 0), [63, 9, 5, 1, 2])
        // A batch of two, killed after the index was stored, and before.
        log.requestUsed(9)
        log.requestUsed(63)
        XCTAssertEqual(log.resume(usedIndex: 0), [63, 9, 5, 1, 2])
        XCTAssertEqual(log.resume(usedIndex: 2), [5, 1, 2])
        XCTAssertEqual(log.resume(usedIndex: 2), [5, 1, 2])
        log.requestUsed(1)
        log.batchPublished(3)
        XCTAssertEqual(log.resume(usedIndex: 3), [5, 2])
    }

    /// What a hostile front end leaves there ends nothing.
    func testContentsThatCannotBe() throws {
        var generator = SplitMix64(seed: Seed.value)
        let file = Descriptor(try SystemCall.check(cts_memfd(8192), "memfd_create"))
        let region = try Region(file)
        let log = InflightLog(
            try InflightRegion(
                descriptor: file.raw, offset: 0, size: 4096, queueCount: 1, queueSize: 64), 0,
            size: 64)
        for _ in 0..<1000 {
            for place in stride(from: 0, to: 2048, by: 8) {
                region.ram.base.storeBytes(
                    of: generator.next(), toByteOffset: place, as: UInt64.self)
            }
            let heads = log.resume(usedIndex: UInt16(truncatingIfNeeded: generator.next()))
            XCTAssertEqual(Set(heads).count, heads.count, Seed.text)
            XCTAssertTrue(heads.allSatisfy { $0 < 64 }, Seed.text)
            log.requestTaken(UInt16(generator.number(0...63)))
            log.requestUsed(UInt16(generator.number(0...63)))
            log.batchPublished(UInt16(truncatingIfNeeded: generator.next()))
        }
    }

    /// A region that the front end makes shorter records nothing any more, and the ring goes on.
    func testARegionThatIsTruncated() throws {
        try GuestRAM.surviveTruncation()
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let file = try PeerFile(size: 4096, fill: 0)
        try start(frontEnd, file.file, 2048)
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        try file.shorten(to: 0)
        for _ in 0..<3 {
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
        XCTAssertEqual(try frontEnd.stop(), 4)
    }

    func testRegionsThatCannotBe() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let (file, size) = try region(frontEnd)
        let short = Descriptor(try SystemCall.check(cts_memfd(100), "memfd_create"))
        let roomy = Descriptor(try SystemCall.check(cts_memfd(8192), "memfd_create"))
        let count = UInt64(size)
        let wrong: [(String, [UInt8], [CInt])] = [
            ("no descriptor", le(count) + le(UInt64(0)) + Self.layout, []),
            ("too small", le(count - 1) + le(UInt64(0)) + Self.layout, [file.raw]),
            ("past the file", le(count) + le(UInt64(4096)) + Self.layout, [file.raw]),
            ("past everything", le(count) + le(UInt64.max - 100) + Self.layout, [file.raw]),
            ("shorter than it says", le(count) + le(UInt64(4096)) + Self.layout, [short.raw]),
            ("at an odd place", le(count) + le(UInt64(1)) + Self.layout, [roomy.raw]),
            ("between two words", le(count) + le(UInt64(8 + 1)) + Self.layout, [roomy.raw]),
            ("between two parts", le(count) + le(UInt64(32)) + Self.layout, [roomy.raw]),
            ("no queues", le(count) + le(UInt64(0)) + le(UInt64(64) << 16), [file.raw]),
            ("no memory", le(count) + le(UInt64(0)) + Self.layout, [frontEnd.kick.raw]),
            ("no layout", le(count) + le(UInt64(0)), [file.raw]),
        ]
        for (what, body, descriptors) in wrong {
            XCTAssertNotEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setInflightFD, body, descriptors), 0, what)
        }
        // A region for smaller rings than this one.
        try frontEnd.addMemory()
        try frontEnd.set(
            VhostRequest.setInflightFD,
            le(UInt64(512)) + le(UInt64(0)) + le(UInt16(1)) + le(UInt16(16)) + le(UInt32(0)),
            [file.raw])
        XCTAssertThrowsError(try frontEnd.setUpRing())
        // Where a part may begin.
        try frontEnd.set(
            VhostRequest.setInflightFD, le(count) + le(UInt64(64)) + Self.layout, [roomy.raw])
        try set(frontEnd, file, size)
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertEqual(
            try frontEnd.socket.acknowledgement(
                VhostRequest.setInflightFD, le(count) + le(UInt64(0)) + Self.layout, [file.raw]),
            UInt64(EBUSY))
    }
}
