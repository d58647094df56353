import BlockIO
import XCTest
@testable import TestSupport

/// A number of reads, writes and now and then a flush, at random places, each in memory of its own.
///
/// Every completion is noted; what it may say is for the test to judge.
final class RandomTraffic {
    /// How many bytes each transfer moves, 4096 or less by a sector.
    static let length = 4096
    private let queue: BlockQueue
    private let blocks: Int
    private let memory: AlignedBuffer
    private var random = SplitMix64(seed: Seed.value)
    private var submitted = 0
    private var ledger: Ledger
    /// All failures, with how often each happened.
    private(set) var failures: [BlockError.Code: Int] = [:]
    /// The errnos of failures with ``BlockError/Code/system``.
    private(set) var errnos: Set<CInt> = []
    /// How many succeeded.
    private(set) var successes = 0

    /// Room for `count` requests on the first `size` bytes of the image.
    init(_ queue: BlockQueue, count: Int, size: Int) {
        self.queue = queue
        blocks = size / Self.length
        memory = AlignedBuffer(count: count * Self.length)
        ledger = Ledger(count: count)
    }

    /// Submits so many of the requests in one batch.
    func submit(_ count: Int) {
        queue.batch {
            for _ in 0..<count { submitOne() }
        }
    }

    private func submitOne() {
        let tag = UInt(submitted)
        let length = random.number(0...7) == 0 ? Self.length - 512 : Self.length
        let buffer = memory.slice(submitted * Self.length, length)
        let offset = UInt64(random.number(0...blocks - 1) * Self.length)
        submitted += 1
        switch random.number(0...15) {
        case 0: queue.flush(userData: tag)
        case 1:
            queue.write(
                from: .init(buffer), at: offset, durability: .forceUnitAccess, userData: tag)
        case 2...7: queue.write(from: .init(buffer), at: offset, userData: tag)
        default: queue.read(into: buffer, at: offset, userData: tag)
        }
    }

    /// Takes what has completed, or waits until everything has.
    func collect(all: Bool) throws {
        if all {
            try queue.finish(note)
        } else {
            queue.poll(minimum: 0, note)
        }
    }

    private func note(_ completion: BlockCompletion) {
        ledger.note(completion)
        guard let failure = completion.failure else {
            successes += 1
            return
        }
        failures[failure, default: 0] += 1
        if failure == .system { errnos.insert(completion.errno) }
    }

    /// Asserts that each request completed once and that no memory but theirs was written to.
    func assertComplete(_ what: String, file: StaticString = #filePath, line: UInt = #line) {
        XCTAssertEqual(queue.outstanding, 0, what, file: file, line: line)
        ledger.assertAllCompleted(file: file, line: line)
        XCTAssertTrue(memory.guardsAreIntact, what, file: file, line: line)
    }
}
