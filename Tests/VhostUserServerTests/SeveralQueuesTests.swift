import BlockHost
import BlockIO
import BlockIOTesting
import CTestSupport
import GuestMemory
import VhostUserServer
import XCTest

@testable import TestSupport

/// Servers with several queues, each with a ring and a thread of its own.
final class SeveralQueuesTests: FrontEndTestCase {
    private static let count = 4

    /// A front end with a ring for each queue. Request `index` belongs to the ring that the test says.
    private func rings(_ count: Int = count, queueLimit: Int = count) throws -> FrontEnd {
        image = try open(queueLimit: queueLimit)
        return try frontEnd(VhostUserOptions(queueCount: count))
    }

    /// Runs a read of 4 KiB, each ring at its own place of the image.
    private func read(_ frontEnd: FrontEnd, ring: Int) throws {
        let offset = 4096 * (3 + ring)
        XCTAssertEqual(
            try frontEnd.run(
                VirtioType.read, sector: UInt64(offset / 512), length: 4096, index: ring,
                ring: ring), VirtioStatus.ok)
        XCTAssertEqual(frontEnd.bytes(4096, index: ring), Self.content(at: offset, 4096))
    }

    private func configuration(_ frontEnd: FrontEnd, at offset: UInt32, _ size: Int) throws
        -> UInt64
    {
        try frontEnd.socket.ask(
            VhostRequest.getConfig,
            le(offset) + le(UInt32(size)) + le(UInt32(0)) + [UInt8](repeating: 0, count: size)
        ).number(12, size)
    }

    // MARK: Service

    /// The front end is told how many queues there are; each has its requests, its calls and its counters.
    func testEachQueueServesItsRing() throws {
        let frontEnd = try rings()
        let offered = try frontEnd.socket.ask(VhostRequest.getFeatures).number(0, 8)
        XCTAssertNotEqual(offered & VhostFeature.severalQueues, 0)
        XCTAssertEqual(try frontEnd.socket.ask(VhostRequest.getQueueNum).number(0, 8), 4)
        // num_queues.
        XCTAssertEqual(try configuration(frontEnd, at: 34, 2), 4)
        try frontEnd.start()
        for ring in frontEnd.rings { _ = FrontEnd.take(ring.call) }
        let messages = frontEnd.server.statistics.messages
        for ring in 0..<Self.count {
            for _ in 0...ring { try read(frontEnd, ring: ring) }
            try eventually("ring \(ring) has a call") { FrontEnd.take(frontEnd.rings[ring].call) }
            for other in frontEnd.rings[(ring + 1)...] {
                XCTAssertFalse(FrontEnd.take(other.call))
            }
        }
        let statistics = frontEnd.server.statistics
        XCTAssertEqual(statistics.requestsByQueue, [1, 2, 3, 4])
        XCTAssertEqual(statistics.requests, 10)
        XCTAssertEqual(statistics.failures, 0)
        XCTAssertEqual(statistics.messages, messages)
    }

    /// The rings write next to each other at the same time, on all engines, and no write is lost.
    func testQueuesWriteToOneImage() throws {
        for engine in EngineKind.allCases {
            image = try BlockImage.open(
                path,
                OpenOptions(
                    access: .readWrite, lock: .off, engine: .forced(engine),
                    queueLimit: Self.count))
            let frontEnd = try FrontEnd(image, VhostUserOptions(queueCount: Self.count))
            try frontEnd.start()
            for round in 0..<8 {
                for ring in 0..<Self.count {
                    // Each block of 4 KiB has a sector of each ring.
                    frontEnd.fill(Self.pattern(512, seed: ring + round), index: ring)
                    frontEnd.add(
                        VirtioType.write, sector: UInt64(8 * round + ring), length: 512,
                        index: ring, ring: ring)
                    frontEnd.publish(ring: ring)
                }
                for ring in 0..<Self.count {
                    try frontEnd.finish(1, ring: ring)
                    XCTAssertEqual(frontEnd.status(ring), VirtioStatus.ok, "\(engine)")
                }
            }
            XCTAssertEqual(try frontEnd.run(VirtioType.flush), VirtioStatus.ok)
            for round in 0..<8 {
                for ring in 0..<Self.count {
                    XCTAssertEqual(
                        try stored(at: 512 * (8 * round + ring), 512),
                        Self.pattern(512, seed: ring + round), "\(engine)")
                }
            }
        }
    }

    // MARK: Start and stop

    /// GET_VRING_BASE of one ring waits for its own requests only; the other rings go on meanwhile.
    func testOneRingIsDrainedWhileTheOthersRun() throws {
        let frontEnd = try rings()
        try frontEnd.start()
        let release = hold([.read], in: 0..<4096)
        for index in 8..<11 {
            frontEnd.add(VirtioType.read, length: 512, index: index, ring: 1)
        }
        frontEnd.publish(ring: 1)
        try waitForHeld(3)
        try frontEnd.socket.send(
            VhostMessage(request: VhostRequest.getVringBase, body: le(UInt32(1)) + le(UInt32(0))))
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        for _ in 0..<20 {
            for ring in [0, 2, 3] { try read(frontEnd, ring: ring) }
        }
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        release()
        let reply = try frontEnd.socket.receive()
        XCTAssertEqual([reply.number(0, 4), reply.number(4, 4)], [1, 3])
        XCTAssertEqual(frontEnd.rings[1].driver.reap().count, 3)
        // The ring that has stopped takes nothing, and goes on where it was.
        frontEnd.add(VirtioType.read, length: 512, index: 8, ring: 1)
        frontEnd.publish(always: true, ring: 1)
        for ring in [0, 2, 3] { try read(frontEnd, ring: ring) }
        XCTAssertEqual(frontEnd.status(8), VirtioStatus.untouched)
        try frontEnd.setUpRing(base: 3, ring: 1)
        try frontEnd.finish(1, ring: 1)
        XCTAssertEqual(frontEnd.status(8), VirtioStatus.ok)
        XCTAssertEqual(try frontEnd.stop(ring: 1), 4)
        XCTAssertEqual(try frontEnd.stop(ring: 0), 21)
    }

    /// Each ring begins and ends at an index of its own, some of them past the end of 16 bits.
    func testEachRingHasItsBase() throws {
        let frontEnd = try rings()
        try frontEnd.negotiate()
        try frontEnd.addMemory()
        let bases: [UInt16] = [0, 7, 65533, 40_000]
        for (ring, base) in bases.enumerated() {
            frontEnd.rings[ring].driver.start(at: base)
            try frontEnd.setUpRing(base: base, ring: ring)
        }
        for ring in bases.indices { try frontEnd.enable(ring: ring) }
        for ring in bases.indices {
            for _ in 0..<(5 + ring) { try read(frontEnd, ring: ring) }
        }
        for (ring, base) in bases.enumerated().reversed() {
            XCTAssertEqual(try frontEnd.stop(ring: ring), base &+ UInt16(5 + ring))
        }
    }

    /// A ring that breaks a rule, and rings that are not enabled or have no address, leave the others alone.
    func testOneRingBreaksARule() throws {
        let frontEnd = try rings()
        try frontEnd.negotiate()
        try frontEnd.addMemory()
        // QEMU enables all rings, and SeaBIOS uses the first only.
        for ring in 0..<Self.count { try frontEnd.enable(ring: ring) }
        for ring in 0..<3 { try frontEnd.setUpRing(ring: ring) }
        try frontEnd.enable(false, ring: 2)
        let driver = frontEnd.rings[1].driver
        driver.store(UInt16(1000), at: driver.available + 2)
        frontEnd.rings[1].signal()
        try eventually("the error descriptor is written") {
            FrontEnd.take(frontEnd.rings[1].error)
        }
        for _ in 0..<5 { try read(frontEnd, ring: 0) }
        XCTAssertFalse(FrontEnd.take(frontEnd.error))
        try frontEnd.enable(ring: 2)
        try read(frontEnd, ring: 2)
    }

    /// A reset, and the end of the front end, wait for the requests of all rings.
    func testAResetWaitsForAllRings() throws {
        let frontEnd = try rings()
        try frontEnd.start()
        let release = hold([.read], in: 0..<4096)
        for ring in [1, 3] {
            frontEnd.add(VirtioType.read, length: 512, index: ring, ring: ring)
            frontEnd.publish(ring: ring)
        }
        try waitForHeld(2)
        try frontEnd.socket.send(
            VhostMessage(request: VhostRequest.resetDevice, flags: 1 | VhostMessage.needReply))
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        release()
        XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
        XCTAssertEqual([frontEnd.status(1), frontEnd.status(3)], [0, 0])
        try frontEnd.negotiate()
        for ring in 0..<Self.count {
            try frontEnd.setUpRing(ring: ring)
            try frontEnd.enable(ring: ring)
            try read(frontEnd, ring: ring)
        }
        let again = hold([.read], in: 0..<4096)
        frontEnd.add(VirtioType.read, length: 512, index: 2, ring: 2)
        frontEnd.publish(ring: 2)
        try waitForHeld(1)
        frontEnd.socket.socket.close()
        for _ in 0..<20 { try frontEnd.server.turn(milliseconds: 1) }
        XCTAssertTrue(frontEnd.server.isConnected)
        again()
        try eventually("the front end is gone") {
            try? frontEnd.server.turn(milliseconds: 1)
            return !frontEnd.server.isConnected
        }
        XCTAssertEqual(frontEnd.status(2), VirtioStatus.ok)
    }

    // MARK: A front end that keeps a call descriptor full

    /// The thread of ring 1 waits for room in its call descriptor, with a write of 512 bytes at `sector` under way,
    /// which the host completes after the returned function has been called.
    private func blockRing1(_ frontEnd: FrontEnd, sector: UInt64) throws -> () -> Void {
        let call = frontEnd.rings[1].call
        // That of the start, so that it is not taken for that of the read.
        XCTAssertTrue(FrontEnd.take(call))
        try read(frontEnd, ring: 1)
        try eventually("the call is there") { FrontEnd.take(call) }
        FrontEnd.fill(call)
        let release = hold([.write])
        frontEnd.add(VirtioType.write, sector: sector, length: 512, index: 8, ring: 1)
        frontEnd.publish(ring: 1)
        try waitForHeld(1)
        try read(frontEnd, ring: 1)
        return release
    }

    /// A resize, which waits for the writes of all queues.
    func testAResizeWaitsForAQueueWhoseCallIsFull() throws {
        let frontEnd = try rings(2, queueLimit: 2)
        try frontEnd.start()
        let release = try blockRing1(frontEnd, sector: 8)
        release()
        let call = frontEnd.rings[1].call.raw
        try Rescue.watching(help: { _ = SharedEvent.take(call) }) {
            try frontEnd.server.resize(to: UInt64(2 * Self.size))
        }
        XCTAssertEqual(image.size, UInt64(2 * Self.size))
        try frontEnd.finish(1, ring: 1)
        XCTAssertEqual(frontEnd.status(8), VirtioStatus.ok)
    }

    /// A ring that stops while its write waits for one of another ring, in the same block of the host.
    func testARingStopsBesideOneWhoseCallIsFull() throws {
        image = try BlockImage.open(
            path,
            OpenOptions(
                access: .readWrite, lock: .off, queueLimit: 2,
                alignment: HostAlignment(memory: 512, offset: 4096)))
        let frontEnd = try frontEnd(VhostUserOptions(queueCount: 2))
        try frontEnd.start()
        let release = try blockRing1(frontEnd, sector: 8)
        frontEnd.add(VirtioType.write, sector: 9, length: 512)
        frontEnd.publish()
        let event = frontEnd.driver.used + 4 + 8 * UInt64(FrontEnd.ringSize)
        try eventually("ring 0 has taken its request") {
            frontEnd.driver.load(event, as: UInt16.self) == 1
        }
        release()
        XCTAssertEqual(try frontEnd.stop(), 1)
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
    }

    // MARK: Inflight regions

    /// Each ring has a part of the region, and each goes on from its own.
    func testTheRegionHasAPartForEachRing() throws {
        let frontEnd = try rings()
        try frontEnd.negotiate()
        let layout =
            le(UInt16(Self.count)) + le(UInt16(FrontEnd.ringSize)) + le(UInt32(0))
        let reply = try frontEnd.socket.ask(
            VhostRequest.getInflightFD, le(UInt64(0)) + le(UInt64(0)) + layout)
        let file = try XCTUnwrap(frontEnd.socket.descriptors.first)
        let size = reply.number(0, 8)
        let part = (16 + 16 * FrontEnd.ringSize + 63) & ~63
        XCTAssertEqual(size, UInt64(Self.count * part))
        let region = try GuestRAM(descriptor: file.raw, size: 8192)
        func isUnderWay(_ ring: Int, _ head: UInt16) -> Bool {
            region.base.load(fromByteOffset: ring * part + 16 + 16 * Int(head), as: UInt8.self) == 1
        }
        // Ring 2 was served by a program that was killed: it had taken the first of two requests.
        let former = (0..<2).map {
            frontEnd.add(VirtioType.read, sector: 8, length: 512, index: 8 + $0, ring: 2)
        }
        frontEnd.rings[2].driver.publish()
        region.base.storeBytes(
            of: 1, toByteOffset: 2 * part + 16 + 16 * Int(former[0]), as: UInt8.self)
        let release = hold([.read])
        try frontEnd.addMemory()
        try frontEnd.set(
            VhostRequest.setInflightFD, le(size) + le(UInt64(0)) + layout, [file.raw])
        for ring in 0..<Self.count {
            try frontEnd.setUpRing(ring: ring)
            try frontEnd.enable(ring: ring)
        }
        let heads = [0, 1, 3].map { ring in
            frontEnd.add(VirtioType.read, length: 512, index: ring, ring: ring)
        }
        for ring in [0, 1, 3] { frontEnd.publish(ring: ring) }
        try waitForHeld(5)
        for ring in 0..<Self.count {
            let expected: Set<UInt16> = ring == 2 ? Set(former) : [heads[ring == 3 ? 2 : ring]]
            for head in 0..<UInt16(FrontEnd.ringSize) {
                XCTAssertEqual(isUnderWay(ring, head), expected.contains(head), "\(ring) \(head)")
            }
        }
        release()
        for ring in 0..<Self.count {
            try frontEnd.finish(ring == 2 ? 2 : 1, ring: ring)
            XCTAssertEqual(try frontEnd.stop(ring: ring), ring == 2 ? 2 : 1)
            for head in 0..<UInt16(FrontEnd.ringSize) { XCTAssertFalse(isUnderWay(ring, head)) }
            XCTAssertEqual(
                region.base.load(fromByteOffset: ring * part + 14, as: UInt16.self),
                ring == 2 ? 2 : 1)
        }
        XCTAssertEqual([frontEnd.status(8), frontEnd.status(9)], [0, 0])
        XCTAssertEqual(frontEnd.server.statistics.requestsByQueue, [1, 1, 2, 1])
    }

    // MARK: The size of the image

    /// Another queue of the image resizes it while both rings have writes under way: the front end is told once,
    /// and both rings reach the new sectors.
    func testTheImageIsResizedWhileRingsWrite() throws {
        let frontEnd = try rings(2, queueLimit: 3)
        try frontEnd.start()
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        let news = FrontEndSocket(ends[0]) {}
        let theirs = Descriptor(ends[1])
        try frontEnd.set(VhostRequest.setBackendReqFD, [], [theirs.raw])
        theirs.close()
        let sizes = [Self.size * 2, Self.size / 2]
        for (round, size) in sizes.enumerated() {
            let release = hold([.write])
            for ring in 0..<2 {
                frontEnd.fill(Self.pattern(4096, seed: ring + round), index: ring)
                frontEnd.add(
                    VirtioType.write, sector: UInt64(8 * ring), length: 4096, index: ring,
                    ring: ring)
                frontEnd.publish(ring: ring)
            }
            try waitForHeld(2)
            // The resize waits for the writes, which the threads of the rings complete.
            let resized = Locked<Result<Void, BlockError>?>(nil)
            let image = try XCTUnwrap(self.image)
            Thread.detachNewThread {
                let result = Result { () throws(BlockError) in
                    let queue = try BlockQueue(image)
                    try queue.resizeAndWait(to: UInt64(size))
                    queue.close { _ in }
                }
                resized.withLock { $0 = result }
            }
            usleep(1000)
            release()
            for ring in 0..<2 {
                try frontEnd.finish(1, ring: ring)
                XCTAssertEqual(frontEnd.status(ring), VirtioStatus.ok)
            }
            try eventually("the image has another size") { resized.withLock { $0 != nil } }
            try XCTUnwrap(resized.withLock { $0 }).get()
            // The threads of the rings notice it with their next requests.
            for ring in 0..<2 {
                XCTAssertEqual(
                    try frontEnd.run(
                        VirtioType.write, sector: UInt64(size / 512 - 8 * (ring + 1)),
                        length: 4096, index: ring, ring: ring), VirtioStatus.ok)
                XCTAssertEqual(
                    try frontEnd.run(
                        VirtioType.read, sector: UInt64(size / 512), length: 512, index: ring,
                        ring: ring), VirtioStatus.ioError)
            }
            XCTAssertTrue(try frontEnd.socket.isQuiet())
            XCTAssertEqual(try news.receive(), VhostMessage(request: 2))
            XCTAssertTrue(try news.isQuiet())
            XCTAssertEqual(try configuration(frontEnd, at: 0, 8), UInt64(size / 512))
            for ring in 0..<2 {
                XCTAssertEqual(
                    try stored(at: size - 4096 * (ring + 1), 4096),
                    Self.pattern(4096, seed: ring + round))
            }
        }
    }
}
