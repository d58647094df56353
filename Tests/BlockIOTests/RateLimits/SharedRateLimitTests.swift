import BlockIO
import Dispatch
import XCTest
@testable import TestSupport

/// Several queues of an image with rate limits.
final class SharedRateLimitTests: RateLimitTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw] }

    private func forEachImage(
        _ limits: RateLimits = RateLimits(), _ check: (Configuration, BlockImage) throws -> Void
    ) throws {
        try forEachTarget(
            size: 1 << 18, where: { $0.target == .tmpfsFile && $0.caching == .direct }
        ) { configuration, target in
            let options = OpenOptions(
                access: .readWrite, engine: .forced(configuration.engine), queueLimit: 3,
                rateLimits: limits)
            try check(configuration, BlockImage.open(target.path, options))
        }
    }

    private func forEachPair(
        _ limits: RateLimits, _ check: (BlockImage, BlockQueue, BlockQueue) throws -> Void
    ) throws {
        try forEachImage(limits) { configuration, image in
            let first = try configuration.queue(on: image)
            let second = try configuration.queue(on: image)
            try check(image, first, second)
            first.close()
            second.close()
        }
    }

    func testTheBurstIsThatOfTheImage() throws {
        try forEachPair(RateLimits(operations: Self.hourly(3))) { image, first, second in
            let buffer = AlignedBuffer(count: 4096)
            for _ in 0..<2 { first.read(into: buffer.bytes, at: 0) }
            for _ in 0..<3 { second.read(into: buffer.bytes, at: 0) }
            try first.finish()
            try second.pollForOne()
            XCTAssertEqual(second.poll(minimum: 2, timeout: .milliseconds(3)), 0)
            XCTAssertEqual(second.outstanding, 2)
            first.write(from: .init(buffer.bytes), at: 0)
            XCTAssertEqual(first.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            let third = try BlockQueue(image)
            third.write(from: .init(buffer.bytes), at: 0)
            XCTAssertEqual(third.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            try image.setRateLimits(RateLimits())
            for queue in [first, second, third] {
                let events = try EventSet(queue.descriptor)
                while queue.outstanding > 0 {
                    guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
                    queue.poll { XCTAssertNil($0.failure) }
                }
            }
            third.close()
        }
    }

    /// A queue that closes takes nothing from another.
    func testOneQueueClosesAndTheOtherStillWaits() throws {
        try forEachPair(RateLimits(operations: Self.hourly(1))) { image, first, second in
            let buffer = AlignedBuffer(count: 4096)
            for queue in [first, second] {
                for _ in 0..<3 { queue.read(into: buffer.bytes, at: 0) }
            }
            var done = 0
            first.close {
                XCTAssertNil($0.failure)
                done += 1
            }
            XCTAssertEqual(done, 3)
            XCTAssertEqual(second.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            // Its place is taken by a new one.
            let third = try BlockQueue(image)
            third.read(into: buffer.bytes, at: 0)
            XCTAssertEqual(third.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            third.close { XCTAssertNil($0.failure) }
            try image.setRateLimits(RateLimits())
            try second.finish { XCTAssertNil($0.failure) }
        }
    }

    /// What had reserved after it, in the same queue and in another, goes on without the time for its tokens.
    func testACancelledRequestLetsThoseAfterItGoOn() throws {
        let limits = RateLimits(bytes: RateLimit(1, per: .seconds(3600), burst: 65536))
        try forEachPair(limits) { _, first, second in
            let buffer = AlignedBuffer(count: 65536)
            let events = try EventSet(second.descriptor)
            first.read(into: buffer.slice(0, 4096), at: 0)
            try first.finish { XCTAssertNil($0.failure) }
            let large = first.read(into: buffer.bytes, at: 0, userData: 1)
            second.read(into: buffer.slice(0, 4096), at: 0)
            first.write(from: .init(buffer.slice(0, 4096)), at: 0, userData: 2)
            XCTAssertEqual(first.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            XCTAssertEqual(second.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            first.cancel(large)
            var ends: [UInt: BlockError.Code?] = [:]
            try first.finish { ends[$0.userData] = .some($0.failure) }
            XCTAssertEqual(ends, [1: .cancelled, 2: nil])
            while second.outstanding > 0 {
                guard events.wait() != nil else { throw Stuck(outstanding: second.outstanding) }
                second.poll { XCTAssertNil($0.failure) }
            }
        }
    }

    /// A queue that always has requests leaves the other its turn: both come to their end, each in a thread.
    func testNoQueueStarves() throws {
        let limits = RateLimits(operations: RateLimit(5000, burst: 1))
        try forEachImage(limits) { configuration, image in
            let isOver = Locked(false)
            let greedy = TestThread {
                Self.attempt {
                    try Self.read(configuration, image) { _ in isOver.withLock { $0 } }
                }
            }
            let modest = TestThread {
                Self.attempt { try Self.read(configuration, image) { $0 == 40 } }
                isOver.withLock { $0 = true }
            }
            modest.join()
            greedy.join()
        }
    }

    /// Reads with four requests at a time, until so many have completed that it is enough.
    private static func read(
        _ configuration: Configuration, _ image: BlockImage, until isEnough: (Int) -> Bool
    ) throws {
        let queue = try configuration.queue(on: image)
        let buffer = AlignedBuffer(count: 4096)
        var done = 0
        while !isEnough(done) {
            while queue.outstanding < 4 { queue.read(into: buffer.bytes, at: 0) }
            try queue.pollForOne { _ in if done < 40 { done += 1 } }
        }
        queue.close()
    }

    /// Another thread changes the limits all the time, and lifts them at the end.
    func testLimitsChangeUnderLoad() throws {
        try forEachImage { configuration, image in
            let threads = (0..<2).map { number in
                TestThread {
                    Self.attempt {
                        try Self.run(configuration, image, isInEventLoop: number == 1)
                    }
                }
            }
            for round in 0..<200 {
                var limits = RateLimits()
                switch round % 4 {
                case 0: limits.operations = RateLimit(100_000, burst: 2)
                case 1: limits.readBytes = Self.hourly(4096)
                case 2: limits.writeOperations = Self.hourly(1)
                default: break
                }
                try image.setRateLimits(limits)
                usleep(100)
            }
            for thread in threads { thread.join() }
        }
    }

    private static func run(
        _ configuration: Configuration, _ image: BlockImage, isInEventLoop: Bool
    ) throws {
        let queue = try configuration.queue(on: image)
        let events = try EventSet(queue.descriptor)
        let buffer = AlignedBuffer(count: 16 * 4096)
        var random = SplitMix64(seed: Seed.value)
        func serve() throws {
            guard isInEventLoop else { return try queue.pollForOne(check) }
            guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
            queue.poll(check)
        }
        func check(_ completion: BlockCompletion) {
            XCTAssertTrue(completion.failure == nil || completion.failure == .cancelled)
        }
        for index in 0..<2000 {
            while queue.outstanding >= 16 { try serve() }
            let part = buffer.slice(index % 16 * 4096, 4096)
            let offset = UInt64(random.number(0...63) * 4096)
            let id =
                random.number(0...1) == 0
                ? queue.read(into: part, at: offset)
                : queue.write(from: .init(part), at: offset)
            if random.number(0...9) == 0 { queue.cancel(id) }
        }
        while queue.outstanding > 0 { try serve() }
        queue.close()
    }
}
