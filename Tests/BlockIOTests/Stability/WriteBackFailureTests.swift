import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Data that was written through the page cache and is lost when the kernel writes it back. The
/// kernel tells that once; whoever is told, no flush of the image may succeed from then on.
final class WriteBackFailureTests: HostileTestCase {
    private static let size = 8 << 20
    private static let capacity = 2 << 20
    /// Nothing was ever written there.
    private static let hole: UInt64 = 4 << 20

    /// Every engine that takes a buffered image, with both kinds of threading.
    private static let buffered: [(EngineKind, QueueThreading)] = [
        (.ioURing, .owned), (.ioURing, .shared), (.threadPool, .owned), (.threadPool, .shared),
    ]

    /// A disk whose first 64 KiB can be written, and a queue on a buffered image of it.
    private func withBufferedDisk(
        _ body: (String, FullDisk, BlockQueue, AlignedBuffer) throws -> Void
    ) throws {
        for (engine, threading) in Self.buffered {
            let disk = try orSkip(FullDisk(size: Self.size, capacity: Self.capacity))
            defer { disk.close() }
            try fillBeginning(disk)
            let image = try BlockImage.open(
                disk.loop.path,
                OpenOptions(access: .readWrite, caching: .buffered, engine: .forced(engine)))
            let queue = try BlockQueue(image, QueueOptions(threading: threading))
            defer { queue.close() }
            let buffer = AlignedBuffer(count: 4096)
            buffer.fill(0x5a)
            try queue.flushAndWait()
            try body("\(engine), \(threading)", disk, queue, buffer)
        }
    }

    private func fillBeginning(_ disk: FullDisk) throws {
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(disk.loop.path, O_RDWR), "open"))
        try file.writeSome(65536)
        try SystemCall.check(SystemCall.result(fdatasync(file.raw)), "fdatasync")
        try disk.fill()
    }

    func testADurableWriteDoesNotTakeTheErrorAway() throws {
        try withBufferedDisk { what, disk, queue, buffer in
            try queue.writeAndWait(from: .init(buffer.bytes), at: Self.hole)
            try FullDisk.writeBack(disk.loop.path)
            queue.write(from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
            assertFailed(try completions(of: queue), 1, what)
            for _ in 0..<3 {
                queue.flush()
                assertFailed(try completions(of: queue), 1, what)
            }
            // Data still moves, and nothing makes it stable.
            try queue.writeAndWait(from: .init(buffer.bytes), at: 4096)
            queue.flush()
            assertFailed(try completions(of: queue), 1, what)
        }
    }

    func testAllFlushesInFlightFail() throws {
        try withBufferedDisk { what, disk, queue, buffer in
            try queue.writeAndWait(from: .init(buffer.bytes), at: Self.hole)
            try FullDisk.writeBack(disk.loop.path)
            queue.batch { for _ in 0..<4 { queue.flush() } }
            assertFailed(try completions(of: queue), 4, what)
            queue.flush()
            assertFailed(try completions(of: queue), 1, what)
        }
    }

    func testFlushesAndDurableWritesInFlightFail() throws {
        try withBufferedDisk { what, disk, queue, buffer in
            try queue.writeAndWait(from: .init(buffer.bytes), at: Self.hole)
            try FullDisk.writeBack(disk.loop.path)
            queue.batch {
                queue.write(from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
                queue.flush()
                queue.write(from: .init(buffer.bytes), at: 8192, durability: .forceUnitAccess)
                queue.flush()
            }
            assertFailed(try completions(of: queue).filter { $0.operation == .flush }, 2, what)
            queue.flush()
            assertFailed(try completions(of: queue), 1, what)
        }
    }

    /// Nobody but the flush has the data written back.
    func testAFlushThatFailsStaysFailed() throws {
        try withBufferedDisk { what, disk, queue, buffer in
            try queue.writeAndWait(from: .init(buffer.bytes), at: Self.hole)
            for _ in 0..<3 {
                queue.flush()
                assertFailed(try completions(of: queue), 1, what)
            }
            // Room alone does not bring the data back.
            try disk.relieve()
            queue.flush()
            assertFailed(try completions(of: queue), 1, what)
        }
    }

    /// A second queue on the image knows, and the image opened again has lost what it has lost and
    /// goes on.
    func testAnotherQueueIsToldAndAnImageOpenedAgainGoesOn() throws {
        try withBufferedDisk { what, disk, queue, buffer in
            try queue.writeAndWait(from: .init(buffer.bytes), at: Self.hole)
            try FullDisk.writeBack(disk.loop.path)
            queue.write(from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
            _ = try completions(of: queue)
            queue.close()
            let next = try BlockQueue(queue.image)
            next.flush()
            assertFailed(try completions(of: next), 1, what)
            next.close()
        }
        for (engine, threading) in Self.buffered {
            let disk = try orSkip(FullDisk(size: Self.size, capacity: Self.capacity))
            defer { disk.close() }
            try fillBeginning(disk)
            let options = OpenOptions(
                access: .readWrite, caching: .buffered, engine: .forced(engine))
            let buffer = AlignedBuffer(count: 4096)
            for round in 0..<2 {
                let image = try BlockImage.open(disk.loop.path, options)
                let queue = try BlockQueue(image, QueueOptions(threading: threading))
                try queue.writeAndWait(from: .init(buffer.bytes), at: Self.hole)
                queue.flush()
                if round == 0 {
                    assertFailed(try completions(of: queue), 1, "\(engine), \(threading)")
                    try disk.relieve()
                } else {
                    XCTAssertEqual(try completions(of: queue).map(\.errno), [0])
                }
                queue.close()
            }
        }
    }

    /// The last part of a direct image that is shorter than a block goes through the page cache.
    func testThePartialLastBlockOfADirectImage() throws {
        for engine in EngineKind.allCases {
            for isDurable in [false, true] {
                let disk = try orSkip(FullDisk(size: 64 << 20, capacity: 24 << 20))
                defer { disk.close() }
                let mount = try DetachedMount.ext4(on: disk.loop)
                defer { mount.close() }
                let size = (4 << 20) + 512
                try allocate(mount.path("image"), size)
                try disk.fill()
                let image = try BlockImage.open(
                    mount.path("image"),
                    OpenOptions(
                        access: .readWrite, engine: .forced(engine),
                        alignment: HostAlignment(memory: 4096, offset: 4096)))
                let queue = try BlockQueue(image)
                defer { queue.close() }
                let buffer = AlignedBuffer(count: 512)
                try queue.writeAndWait(from: .init(buffer.bytes), at: UInt64(size - 512))
                try FullDisk.writeBack(mount.path("image"))
                if isDurable {
                    queue.write(
                        from: .init(buffer.bytes), at: UInt64(size - 512),
                        durability: .forceUnitAccess)
                    assertFailed(try completions(of: queue), 1, "\(engine)")
                }
                for _ in 0..<3 {
                    queue.flush()
                    assertFailed(try completions(of: queue), 1, "\(engine), durable \(isDurable)")
                }
            }
        }
    }

    /// Zeroes in a part of a file system's block go through the page cache, also for a direct image.
    func testPartsOfBlocksThatWereClearedInADirectImage() throws {
        for engine in EngineKind.allCases {
            for isDurable in [false, true] {
                try withClearedPart(engine) { queue, buffer in
                    if isDurable {
                        queue.write(
                            from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
                        assertFailed(try completions(of: queue), 1, "\(engine)")
                    }
                    for _ in 0..<3 {
                        queue.flush()
                        assertFailed(
                            try completions(of: queue), 1, "\(engine), durable \(isDurable)")
                    }
                }
            }
        }
    }

    /// A queue that is opened later knows that no flush has covered what was cleared.
    func testPartsOfBlocksThatAnotherQueueHasCleared() throws {
        try withClearedPart(.threadPool) { queue, buffer in
            queue.close()
            let next = try BlockQueue(queue.image)
            defer { next.close() }
            next.write(from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
            assertFailed(try completions(of: next), 1, "the write")
            next.flush()
            assertFailed(try completions(of: next), 1, "the flush")
        }
    }

    /// After a flush that covers it, a durable write is one call again.
    func testAFlushCoversWhatWasCleared() throws {
        let mount = try orSkip(DetachedMount.ext4(size: 32 << 20))
        defer { mount.close() }
        try allocate(mount.path("image"), 1 << 20)
        let image = try BlockImage.open(
            mount.path("image"), OpenOptions(access: .readWrite, engine: .forced(.threadPool)))
        let queue = try BlockQueue(image)
        defer { queue.close() }
        let buffer = AlignedBuffer(count: 4096)
        func kernelRequests(_ body: () throws -> Void) rethrows -> UInt64 {
            let before = queue.statistics.kernelRequests
            try body()
            return queue.statistics.kernelRequests - before
        }
        func write() throws {
            try queue.writeAndWait(
                from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
        }
        XCTAssertEqual(try kernelRequests(write), 1)
        try queue.discardAndWait(at: 8192 + 512, length: 512)
        XCTAssertEqual(try kernelRequests(write), 2)
        // That was a flush.
        XCTAssertEqual(try kernelRequests(write), 1)
        try queue.writeZeroesAndWait(at: 8192 + 512, length: 512)
        try queue.flushAndWait()
        XCTAssertEqual(try kernelRequests(write), 1)
        // The call and a flush, which covers what the call has cleared.
        let zeroing = try kernelRequests {
            try queue.writeZeroesAndWait(
                at: 8192 + 512, length: 512, options: .forceUnitAccess)
        }
        XCTAssertEqual(zeroing, 2)
        XCTAssertEqual(try kernelRequests(write), 1)
        try queue.resizeAndWait(to: (512 << 10) + 512)
        XCTAssertEqual(try kernelRequests(write), 2)
    }

    /// A queue on a direct image that has cleared 512 bytes of a block, which the kernel could not
    /// write back since.
    private func withClearedPart(
        _ engine: EngineKind, _ body: (BlockQueue, AlignedBuffer) throws -> Void
    ) throws {
        let disk = try orSkip(FullDisk(size: 64 << 20, capacity: 24 << 20))
        defer { disk.close() }
        let mount = try DetachedMount.ext4(on: disk.loop)
        defer { mount.close() }
        let path = mount.path("image")
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), "open \(path)"))
        // Blocks that were never written would stay as they are.
        try file.writeSome(1 << 20)
        try SystemCall.check(SystemCall.result(fsync(file.raw)), "fsync")
        let block: CInt = 128
        let place = try SystemCall.check(cts_physical_block(file.raw, block), "FIBMAP")
        let image = try BlockImage.open(
            path, OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = try BlockQueue(image)
        defer { queue.close() }
        try disk.loop.punch(at: UInt64(place) * 4096, count: 4096)
        try disk.fill()
        try queue.writeZeroesAndWait(at: UInt64(block) * 4096 + 512, length: 512)
        try FullDisk.writeBack(path)
        let buffer = AlignedBuffer(count: 4096)
        buffer.fill(7)
        try body(queue, buffer)
    }

    /// A durable write past the page cache that fails has lost nothing that was reported as
    /// written.
    func testADirectDurableWriteThatFailsIsAnOrdinaryFailure() throws {
        for engine in EngineKind.allCases {
            let disk = try orSkip(FullDisk(size: Self.size, capacity: Self.capacity))
            defer { disk.close() }
            try fillBeginning(disk)
            let image = try BlockImage.open(
                disk.loop.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            let queue = try BlockQueue(image)
            defer { queue.close() }
            let buffer = AlignedBuffer(count: 4096)
            for durability in [WriteDurability.forceUnitAccess, .volatile] {
                queue.write(
                    from: .init(buffer.bytes), at: Self.hole, durability: durability)
                assertFailed(try completions(of: queue), 1, "\(engine)")
                XCTAssertNoThrow(try queue.flushAndWait(), "\(engine)")
            }
            try disk.relieve()
            try queue.writeAndWait(
                from: .init(buffer.bytes), at: Self.hole, durability: .forceUnitAccess)
            try queue.flushAndWait()
        }
    }

    /// What fails for the caller's memory has lost nothing either, also beside a discard that no flush
    /// has covered yet.
    func testADurableWriteOfMemoryThatIsNotThereIsAnOrdinaryFailure() throws {
        let target = try orSkip(StorageTarget.make(.ext4File, size: 1 << 20))
        defer { target.close() }
        for engine in EngineKind.allCases {
            let image = try BlockImage.open(
                target.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            let queue = try BlockQueue(image)
            defer { queue.close() }
            let memory = mmap(nil, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            let missing = UnsafeRawBufferPointer(start: try XCTUnwrap(memory), count: 4096)
            defer { munmap(memory, 4096) }
            queue.batch {
                queue.write(from: missing, at: 0, durability: .forceUnitAccess, userData: 1)
                queue.discard(at: 8192, length: 4096, userData: 2)
            }
            for completion in try completions(of: queue) {
                XCTAssertEqual(completion.errno, completion.userData == 1 ? EFAULT : 0, "\(engine)")
            }
            XCTAssertNoThrow(try queue.flushAndWait(), "\(engine)")
        }
    }

    private func completions(of queue: BlockQueue) throws -> [BlockCompletion] {
        var completions: [BlockCompletion] = []
        try queue.finish { completions.append($0) }
        return completions
    }

    private func assertFailed(
        _ completions: [BlockCompletion], _ count: Int, _ what: String, line: UInt = #line
    ) {
        XCTAssertEqual(completions.count, count, what, line: line)
        for completion in completions {
            XCTAssertEqual(completion.failure, .system, what, line: line)
            XCTAssertTrue(
                FullDisk.errors.contains(completion.errno), "\(what): \(completion)", line: line)
        }
    }

    private func allocate(_ path: String, _ size: Int) throws {
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), "open \(path)"))
        try SystemCall.check(cts_allocate(file.raw, UInt64(size)), "fallocate")
        // What describes the file is on the disk before it is full.
        try SystemCall.check(SystemCall.result(fsync(file.raw)), "fsync")
    }
}

extension Descriptor {
    /// Writes so many bytes at the beginning.
    fileprivate func writeSome(_ count: Int) throws {
        let bytes = [UInt8](repeating: 7, count: count)
        guard pwrite(raw, bytes, count, 0) == count else {
            throw FixtureError.failed("pwrite: errno \(errno)")
        }
    }
}
