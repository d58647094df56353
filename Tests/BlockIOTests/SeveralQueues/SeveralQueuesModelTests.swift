import BlockIO
import Foundation
import XCTest
@testable import TestSupport

/// Random traffic of one, two and four queues, each in a thread of its own, on engines with nothing between
/// them and the queue. Requests overlap at random, in one queue and between queues. What is read and what the
/// image holds at the end is checked against what has been written.
final class SeveralQueuesModelTests: ConformanceTestCase {
    private static let sectors = 128
    private static let requestsOfAQueue = 120

    /// Eight sectors to a block: writes of neighbouring sectors need the same block.
    func testSectorsSmallerThanBlocks() throws {
        try check(logicalBlockSize: 512)
    }

    /// A sector is a block, and the queues know nothing of each other's writes.
    func testSectorsAsLargeAsBlocks() throws {
        try check(logicalBlockSize: 4096)
    }

    /// Limits come and go, so that requests are throttled at any moment.
    func testChangingRateLimits() throws {
        try check(logicalBlockSize: 512, changesLimits: true)
    }

    private static func isWanted(_ configuration: Configuration) -> Bool {
        configuration.caching == .direct
            && [.tmpfsFile, .ext4File, .loop4096].contains(configuration.target)
    }

    private func check(logicalBlockSize: Int, changesLimits: Bool = false) throws {
        let size = Self.sectors * StampedSectors.size
        try forEachTarget(size: size, where: Self.isWanted) { configuration, target in
            for queues in [1, 2, 4] {
                try self.check(
                    configuration, target, logicalBlockSize, queues, changesLimits: changesLimits)
            }
        }
    }

    private func check(
        _ configuration: Configuration, _ target: StorageTarget, _ logicalBlockSize: Int,
        _ queues: Int, changesLimits: Bool
    ) throws {
        let size = Self.sectors * StampedSectors.size
        if !target.kind.isBlockDevice {
            XCTAssertEqual(truncate(target.path, size), 0)
        }
        let zeroes = AlignedBuffer(count: size)
        zeroes.fill(0)
        try PlainFile(target.path, direct: true).write(zeroes.bytes, at: 0)
        let image = try BlockImage.open(
            target.path,
            OpenOptions(
                access: .readWrite, engine: .forced(configuration.engine),
                logicalBlockSize: logicalBlockSize, queueLimit: queues,
                alignment: HostAlignment(memory: 4096, offset: 4096)))
        let clock = SectorHistory.Clock()
        let plan = QueueWorker.Plan(
            image: image, configuration: configuration, clock: clock, sectors: Self.sectors,
            unit: logicalBlockSize / StampedSectors.size, resizes: !target.kind.isBlockDevice)
        var history = SectorHistory()
        var mistakes: [String] = []
        let isOver = Locked(!changesLimits)
        let changes = TestThread { Self.changeLimits(of: image, until: isOver) }
        let outcomes = run(plan, queues)
        isOver.withLock { $0 = true }
        changes.join()
        for outcome in outcomes {
            let worker = try outcome.get()
            history.changes += worker.history.changes
            history.reads += worker.history.reads
            mistakes += worker.mistakes
        }
        let left = try PlainFile(target.path, direct: false).contents(at: 0, Int(image.size))
        history.reads.append(
            .init(
                first: 0, contents: StampedSectors.contents(of: left.bytes, first: 0),
                start: clock.next(), end: clock.next()))
        mistakes += history.mistakes(sectors: Self.sectors)
        XCTAssertEqual(mistakes.prefix(5), [], "\(queues) queues, sectors of \(logicalBlockSize)")
        XCTAssertGreaterThan(history.changes.count, 20 * queues)
        if !target.kind.isBlockDevice {
            var status = stat()
            XCTAssertEqual(stat(target.path, &status), 0)
            XCTAssertEqual(UInt64(status.st_size), image.size)
        }
    }

    /// Sets limits that let little pass, and lifts them a moment later.
    private static func changeLimits(of image: BlockImage, until isOver: Locked<Bool>) {
        var round = 0
        while !isOver.withLock({ $0 }) {
            var limits = RateLimits()
            let hourly = RateLimit(1, per: .seconds(3600), burst: 5)
            switch round % 6 {
            case 0: limits.operations = hourly
            case 2: limits.writeOperations = hourly
            case 4: limits.readBytes = hourly
            default: break
            }
            XCTAssertNoThrow(try image.setRateLimits(limits))
            round += 1
            usleep(round % 2 == 1 ? 200 : 50)
        }
        XCTAssertNoThrow(try image.setRateLimits(RateLimits()))
    }

    /// Runs a worker for each queue.
    private func run(_ plan: QueueWorker.Plan, _ queues: Int) -> [Result<Outcome, any Error>] {
        let outcomes = Locked<[Result<Outcome, any Error>]>([])
        let threads = (0..<queues).map { number in
            TestThread {
                let outcome = Result {
                    let worker = QueueWorker(plan, number: number)
                    try worker.run(requests: Self.requestsOfAQueue)
                    return Outcome(history: worker.history, mistakes: worker.mistakes)
                }
                outcomes.withLock { $0.append(outcome) }
            }
        }
        for thread in threads { thread.join() }
        return outcomes.withLock { $0 }
    }

    private struct Outcome {
        let history: SectorHistory
        let mistakes: [String]
    }
}
