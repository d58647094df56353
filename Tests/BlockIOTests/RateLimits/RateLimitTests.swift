import BlockIO
import BlockIOTesting
import CTestSupport
import Dispatch
import XCTest
@testable import TestSupport

/// Requests of images with rate limits: what passes, what waits, and what ends the wait.
final class RateLimitTests: RateLimitTestCase {
    func testTheBurstPassesAndLiftingTheLimitReleasesTheRest() throws {
        let limits = RateLimits(operations: Self.hourly(3))
        try forEachSubject(limits) { limited in
            let queue = limited.queue
            XCTAssertEqual(limited.image.rateLimits, limits)
            queue.batch { for index in 0..<8 { limited.readBlock(index) } }
            XCTAssertEqual(try limited.expect(3), [0, 1, 2])
            limited.writeBlock(8)
            try limited.expect(0)
            XCTAssertEqual(queue.outstanding, 6)
            XCTAssertEqual(queue.statistics.throttledRequests, 6)
            XCTAssertEqual(queue.statistics.throttledNanoseconds, 0)
            try limited.image.setRateLimits(RateLimits())
            XCTAssertEqual(try limited.expect(6), [3, 4, 5, 6, 7, 8])
            XCTAssertGreaterThan(queue.statistics.throttledNanoseconds, 0)
            // Without limits, nothing is throttled any more.
            for index in 0..<10 { limited.readBlock(index) }
            try limited.expect(10)
            XCTAssertEqual(queue.statistics.throttledRequests, 6)
        }
    }

    func testTheyGoOnInTheOrderInWhichTheyWereMade() throws {
        let limits = RateLimits(operations: Self.hourly(1))
        let log = SubmissionLog()
        try forEachSubject(
            limits, QueueOptions().decorated(by: [.logged(in: log)]),
            where: { $0.layout == .raw }
        ) { limited in
            for index in 0..<6 { limited.readBlock(index) }
            try limited.expect(1)
            for index in 6..<9 { limited.writeBlock(index) }
            limited.readBlock(9)
            try limited.image.setRateLimits(RateLimits())
            try limited.expect(9)
            let places = log.entries.map { Int($0.offset) / limited.block }
            XCTAssertEqual(places, Array(0..<10))
            log.clear()
        }
    }

    func testLimitsOfAnImageThatIsOpenedWithThem() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 16))
        defer { target.close() }
        let image = try BlockImage.open(
            target.path, OpenOptions(rateLimits: RateLimits(readOperations: Self.hourly(2))))
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 4096)
        for _ in 0..<4 { queue.read(into: buffer.bytes, at: 0) }
        var done = 0
        while done < 2 { try queue.pollForOne { _ in done += 1 } }
        XCTAssertEqual(queue.poll(minimum: 1, timeout: .milliseconds(3)), 0)
        queue.close { completion in
            XCTAssertNil(completion.failure)
            done += 1
        }
        XCTAssertEqual(done, 4)
    }

    // MARK: What is limited

    func testReadsAndWritesHaveLimitsOfTheirOwn() throws {
        try forEachSubject(RateLimits(writeOperations: Self.hourly(1))) { limited in
            for index in 0..<4 { limited.writeBlock(index) }
            for index in 4..<12 { limited.readBlock(index) }
            XCTAssertEqual(try limited.expect(9), [0] + Array(4..<12))
            limited.queue.discard(at: 0, length: 4096)
            limited.queue.writeZeroes(at: 0, length: 4096)
            try limited.expect(0)
            XCTAssertEqual(limited.queue.outstanding, 5)
        }
        try forEachSubject(RateLimits(readOperations: Self.hourly(1))) { limited in
            for index in 0..<4 { limited.readBlock(index) }
            for index in 4..<12 { limited.writeBlock(index) }
            limited.queue.discard(at: 0, length: 4096, userData: 12)
            XCTAssertEqual(try limited.expect(10), [0] + Array(4..<13))
        }
    }

    /// It waits for a full bucket only, so that it never waits for ever.
    func testARequestLargerThanTheBurst() throws {
        let limits = RateLimits(readBytes: RateLimit(4096, per: .seconds(3600)))
        try forEachSubject(limits) { limited in
            limited.readBlocks(16)
            try limited.expect(1)
            limited.readBlock(1)
            limited.writeBlock(2)
            XCTAssertEqual(try limited.expect(1), [2])
            limited.readBlocks(16)
            try limited.expect(0)
        }
    }

    func testAFlushIsNotLimitedAndDoesNotWait() throws {
        let limits = RateLimits(operations: Self.hourly(1))
        try forEachSubject(limits) { limited in
            for index in 0..<3 { limited.writeBlock(index) }
            limited.queue.flush(userData: 9)
            XCTAssertEqual(try limited.expect(2), [0, 9])
            try limited.queue.flushAndWait()
        }
    }

    func testRequestsThatDoNotReachTheEngineTakeNothing() throws {
        let limits = RateLimits(operations: Self.hourly(1), bytes: Self.hourly(4096))
        try forEachSubject(limits) { limited in
            let queue = limited.queue
            for _ in 0..<3 {
                queue.read(into: .init(start: nil, count: 0), at: 0)
                queue.discard(at: 0, length: 0)
                queue.discard(at: .max - 4096, length: 4096)
            }
            var failures: [BlockError.Code?] = []
            try queue.finish { failures.append($0.failure) }
            XCTAssertEqual(failures.filter { $0 == .outOfRange }.count, 3)
            XCTAssertEqual(failures.filter { $0 == nil }.count, 6)
            limited.readBlock(0)
            try limited.expect(1)
            XCTAssertEqual(queue.statistics.throttledRequests, 0)
        }
    }

    /// Zeroes are no bytes, unless the host cannot make them.
    func testZeroesThatAreWrittenAsBuffers() throws {
        let limits = RateLimits(writeBytes: Self.hourly(4096))
        for isWritten in [false, true] {
            let faults = FaultInjector(seed: Seed.value)
            if isWritten { faults.add(.init(.error(EOPNOTSUPP), operations: [.writeZeroes])) }
            try forEachSubject(
                limits, QueueOptions().checked(with: faults), where: { $0.layout != .striped }
            ) { limited in
                limited.queue.writeZeroes(at: 0, length: 65536)
                try limited.expect(1)
                limited.writeBlock(1)
                try limited.expect(isWritten ? 0 : 1)
            }
        }
    }

    // MARK: Ends of the wait

    func testThrottledRequestsAreCancelled() throws {
        let limits = RateLimits(operations: Self.hourly(1))
        try forEachSubject(limits) { limited in
            let ids = (0..<5).map { limited.readBlock($0) }
            try limited.expect(1)
            for index in [1, 4, 2] { limited.queue.cancel(ids[index]) }
            var cancelled: [UInt] = []
            limited.queue.poll {
                XCTAssertEqual($0.failure, .cancelled)
                cancelled.append($0.userData)
            }
            XCTAssertEqual(cancelled, [1, 4, 2])
            try limited.expect(0)
            try limited.image.setRateLimits(RateLimits())
            XCTAssertEqual(try limited.expect(1), [3])
        }
    }

    /// What it had reserved is there for others.
    func testACancelledRequestGivesItsTokensBack() throws {
        let limits = RateLimits(bytes: RateLimit(1, per: .seconds(3600), burst: 65536))
        try forEachSubject(limits) { limited in
            limited.readBlock(0)
            try limited.expect(1)
            limited.readBlocks(16)
            let last = limited.readBlock(1)
            try limited.expect(0)
            limited.queue.cancel(last)
            limited.queue.poll { XCTAssertEqual($0.failure, .cancelled) }
            // The bucket has a block left that the large one waits with, and this one behind it.
            limited.readBlock(2)
            try limited.expect(0)
        }
        try forEachSubject(limits) { limited in
            limited.readBlock(0)
            try limited.expect(1)
            let list = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 1)
            let memory = limited.subject.buffer(65536)
            list[0] = iovec(iov_base: memory.bytes.baseAddress, iov_len: 65536)
            let large = limited.queue.readv(.init(list), at: 0, userData: 99)
            limited.readBlock(1)
            try limited.expect(0)
            limited.queue.cancel(large)
            var ends: [[String]] = []
            try limited.queue.finish {
                ends.append(["\($0.userData)", $0.failure.map { "\($0)" } ?? "done"])
            }
            XCTAssertEqual(ends, [["99", "cancelled"], ["1", "done"]])
            list.deallocate()
        }
    }

    func testCloseDoesNotWaitForTheLimit() throws {
        let limits = RateLimits(operations: Self.hourly(1))
        for isRemote in [false, true] {
            try forEachSubject(limits) { limited in
                var ledger = Ledger(count: 8)
                for index in 0..<4 { limited.readBlock(index) }
                for index in 4..<8 { limited.writeBlock(index) }
                if isRemote {
                    limited.queue.remote.close()
                    try limited.queue.finish { ledger.note($0) }
                } else {
                    limited.queue.close { ledger.note($0) }
                }
                XCTAssertTrue(limited.queue.isClosed)
                ledger.assertAllSucceeded()
                _ = try limited.subject.openQueue()
            }
        }
    }

    /// It waits for the writes made before it, and those therefore not for the limit.
    func testAResizeDoesNotWaitForTheLimit() throws {
        let limits = RateLimits(operations: Self.hourly(1))
        try forEachSubject(limits, where: { $0.layout != .striped }) { limited in
            let size = limited.image.size
            limited.writeBlock(0)
            limited.readBlock(1)
            limited.queue.write(
                from: .init(limited.subject.buffer(4096).bytes), at: size - 4096, userData: 2)
            limited.queue.resize(to: size / 2, userData: 3)
            limited.queue.write(
                from: .init(limited.subject.buffer(4096).bytes), at: size - 4096, userData: 4)
            XCTAssertEqual(try limited.ends(4), [0: nil, 2: nil, 3: nil, 4: .outOfRange])
            XCTAssertEqual(limited.image.size, size / 2)
            try limited.queue.resizeAndWait(to: size)
            XCTAssertEqual(limited.image.size, size)
            XCTAssertEqual(limited.queue.outstanding, 1)
        }
    }

    /// A write that a resize holds back takes its tokens afterwards, when it is known whether it goes on.
    func testAWriteThatIsRefusedAfterAResizeTakesNothing() throws {
        let limits = RateLimits(writeBytes: Self.hourly(65536))
        try forEachSubject(limits) { limited in
            let size = limited.image.size
            let list = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 3)
            defer { list.deallocate() }
            list.initialize(repeating: iovec(iov_base: nil, iov_len: .max))
            limited.queue.batch {
                limited.queue.resize(to: size, userData: 1)
                limited.queue.write(
                    from: .init(limited.subject.buffer(65536).bytes), at: size, userData: 2)
                limited.queue.writev(.init(list), at: 0, userData: 3)
            }
            XCTAssertEqual(try limited.ends(3), [1: nil, 2: .outOfRange, 3: .outOfRange])
            limited.writeBlock(4)
            XCTAssertEqual(try limited.expect(1), [4])
            XCTAssertEqual(limited.queue.statistics.throttledRequests, 0)
        }
    }

    func testCloseDoesNotWaitForTheLimitOfWhatAResizeHoldsBack() throws {
        try forEachSubject(RateLimits(operations: Self.hourly(1))) { limited in
            var ledger = Ledger(count: 5)
            limited.queue.batch {
                limited.queue.resize(to: limited.image.size, userData: 4)
                for index in 0..<4 { limited.writeBlock(index) }
            }
            limited.queue.close { ledger.note($0) }
            ledger.assertAllSucceeded()
            _ = try limited.subject.openQueue()
        }
    }

    func testAWriteBehindAGrowingResizeIsLimited() throws {
        let limits = RateLimits(operations: Self.hourly(1))
        try forEachSubject(limits) { limited in
            let size = limited.image.size
            try limited.queue.resizeAndWait(to: size / 2)
            limited.queue.resize(to: size, userData: 0)
            for userData: UInt in 1...3 {
                limited.queue.write(
                    from: .init(limited.subject.buffer(4096).bytes), at: size - 4096,
                    userData: userData)
            }
            XCTAssertEqual(try limited.expect(2), [0, 1])
            XCTAssertEqual(limited.queue.statistics.throttledRequests, 2)
        }
    }

    // MARK: Changes

    func testNewLimitsBeginWithFullBursts() throws {
        try forEachSubject(RateLimits(operations: Self.hourly(1))) { limited in
            for index in 0..<10 { limited.readBlock(index) }
            try limited.expect(1)
            let limits = RateLimits(operations: Self.hourly(2), bytes: Self.hourly(1 << 20))
            try limited.image.setRateLimits(limits)
            XCTAssertEqual(try limited.expect(2), [1, 2])
            try limited.image.setRateLimits(limits)
            try limited.expect(0)
            try limited.image.setRateLimits(RateLimits(writeOperations: Self.hourly(1)))
            XCTAssertEqual(try limited.expect(7), Array(3..<10))
        }
    }

    /// From another thread, while the owner sleeps in the queue or on its descriptor.
    func testLiftingTheLimitWakesTheOwner() throws {
        for isInEventLoop in [false, true] {
            try forEachSubject(RateLimits(operations: Self.hourly(1))) { limited in
                for index in 0..<4 { limited.readBlock(index) }
                try limited.expect(1)
                let events = try EventSet(limited.queue.descriptor)
                XCTAssertFalse(events.isReadable)
                let image = limited.image
                let thread = TestThread {
                    usleep(1000)
                    Self.attempt { try image.setRateLimits(RateLimits()) }
                }
                defer { thread.join() }
                if isInEventLoop {
                    try serve(limited.queue, events, 3)
                } else {
                    try limited.expect(3)
                }
            }
        }
    }

    // MARK: Time

    private static let fast = RateLimits(operations: RateLimit(200, burst: 1))

    func testAnEventLoopIsWokenInTime() throws {
        try forEachSubject(Self.fast) { limited in
            let events = try EventSet(limited.queue.descriptor)
            for index in 0..<3 { limited.readBlock(index) }
            for index in 3..<6 { limited.writeBlock(index) }
            try serve(limited.queue, events, 6)
            XCTAssertGreaterThan(limited.queue.statistics.throttledRequests, 0)
        }
    }

    func testWaitsEndInTime() throws {
        for hasDescriptor in [true, false] {
            let options = QueueOptions(hasDescriptor: hasDescriptor)
            try forEachSubject(Self.fast, options) { limited in
                for index in 0..<3 { limited.readBlock(index) }
                for index in 3..<6 { limited.writeBlock(index) }
                try limited.expect(6)
                let buffer = limited.subject.buffer(4096)
                try Rescue.watching {
                    for _ in 0..<3 { try limited.queue.readAndWait(into: buffer.bytes, at: 0) }
                    try limited.queue.writeAndWait(
                        from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
                }
            }
        }
    }

    /// A caller that always has reads does not keep a write from its turn.
    func testReadsDoNotStarveAWrite() throws {
        let limits = RateLimits(operations: RateLimit(2000, burst: 1))
        try forEachSubject(limits) { limited in
            let buffer = limited.subject.buffer(4096)
            for _ in 0..<4 { limited.readBlock(0) }
            limited.queue.write(from: .init(buffer.bytes), at: 8192, userData: 99)
            var isWritten = false
            while !isWritten {
                try limited.queue.pollForOne {
                    XCTAssertNil($0.failure)
                    if $0.userData == 99 { isWritten = true } else { limited.readBlock(0) }
                }
            }
        }
    }

    /// The queue then asks for the time itself.
    func testTimePassesWithoutAThread() throws {
        let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
        guard fault.isCovered else { return }
        try forEachSubject(Self.fast, where: { $0.layout == .raw }) { limited in
            let events = try EventSet(limited.queue.descriptor)
            try fault.during {
                for index in 0..<3 { limited.readBlock(index) }
                for index in 3..<6 { limited.writeBlock(index) }
                try serve(limited.queue, events, 6)
                for index in 0..<3 { limited.readBlock(index) }
                try limited.expect(3)
            }
            XCTAssertGreaterThan(limited.queue.statistics.throttledRequests, 0)
        }
    }

    /// Sleeps on the descriptor, and polls the queue when that is readable, until so many requests have succeeded.
    private func serve(_ queue: BlockQueue, _ events: EventSet, _ count: Int) throws {
        var done = 0
        while done < count {
            guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
            queue.poll {
                XCTAssertNil($0.failure)
                done += 1
            }
        }
    }
}
