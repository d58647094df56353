import BlockIO
import XCTest
@testable import TestSupport

/// Writes of parts of one block, on engines with nothing between them and the queue: each waits for
/// the one before it, so that the end of a request is what begins the next, and a wait for several
/// must not wait for what has not begun.
final class SharedBlockTests: ConformanceTestCase {
    private static let length = 100

    /// Requests that go to one block.
    private enum Shape: CaseIterable {
        case two, three, durable, flushBetween, readBetween

        /// How many requests they are.
        var count: Int {
            switch self {
            case .two, .durable: 2
            case .three, .flushBetween, .readBetween: 3
            }
        }
    }

    func testDrainEnds() throws {
        try check { queue, _, note in queue.drain(note) }
    }

    func testAWaitForAllEnds() throws {
        try check { queue, count, note in
            var delivered = 0
            while delivered < count { delivered += queue.poll(minimum: count - delivered, note) }
        }
    }

    func testAWaitForMoreThanThereAreEnds() throws {
        try check { queue, _, note in
            while queue.outstanding > 0 { queue.poll(minimum: .max, note) }
        }
    }

    func testAWaitForAllWithALimitEnds() throws {
        try check { queue, _, note in
            while queue.outstanding > 0 {
                queue.poll(minimum: .max, timeout: Patience.limit, note)
            }
        }
    }

    func testASynchronousWriteToTheBlockEnds() throws {
        try check { queue, _, note in
            let buffer = AlignedBuffer(count: Self.length)
            try queue.writeAndWait(from: .init(buffer.bytes), at: 400)
            queue.drain(note)
        }
    }

    func testCloseEnds() throws {
        try check(closes: true) { queue, _, note in queue.close(note) }
    }

    func testReleaseEnds() throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isWanted) { subject in
            let buffer = subject.buffer(2 * Self.length)
            try Rescue.watching {
                var queue: BlockQueue? = subject.takeQueue()
                queue?.write(from: .init(buffer.slice(0, Self.length)), at: 0)
                queue?.write(from: .init(buffer.slice(Self.length, Self.length)), at: 100)
                usleep(1_000)
                queue = nil
            }
        }
    }

    private static func isWanted(_ configuration: Configuration) -> Bool {
        configuration.caching == .direct
            && [.tmpfsFile, .ext4File, .loop4096].contains(configuration.target)
    }

    /// Makes the requests, together or one by one, lets them come as far as they can by themselves
    /// or not, and waits. What is waited for may be done any number of times.
    private func check(
        closes: Bool = false, _ wait: (BlockQueue, Int, (BlockCompletion) -> Void) throws -> Void
    ) throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isWanted) { subject in
            for shape in Shape.allCases {
                for pause: UInt32 in [0, 1_000] {
                    for isBatch in [false, true] {
                        let queue = closes ? try subject.openQueue() : subject.queue
                        try check(subject, queue, shape, pause: pause, isBatch: isBatch, wait)
                    }
                }
            }
        }
    }

    private func check(
        _ subject: Subject, _ queue: BlockQueue, _ shape: Shape, pause: UInt32, isBatch: Bool,
        _ wait: (BlockQueue, Int, (BlockCompletion) -> Void) throws -> Void
    ) throws {
        let content = subject.buffer(3 * Self.length)
        content.fill(using: &subject.random)
        var ledger = Ledger(count: shape.count)
        if isBatch {
            queue.batch { submit(shape, queue, content, subject.buffer(4096)) }
        } else {
            submit(shape, queue, content, subject.buffer(4096))
        }
        if pause > 0 { usleep(pause) }
        try Rescue.watching(outstanding: queue.outstanding) {
            try wait(queue, shape.count) { ledger.note($0) }
        }
        ledger.assertAllSucceeded()
        XCTAssertEqual(queue.outstanding, 0)
        let written = shape == .three ? 3 : 2
        let found = try subject.plainFile().contents(at: 0, 4096)
        XCTAssertTrue(
            sameBytes(
                found.slice(0, written * Self.length), content.slice(0, written * Self.length)),
            "\(shape)")
    }

    private func submit(
        _ shape: Shape, _ queue: BlockQueue, _ content: AlignedBuffer, _ target: AlignedBuffer
    ) {
        func write(_ index: Int, as tag: UInt) {
            let durability: WriteDurability = shape == .durable ? .forceUnitAccess : .volatile
            queue.write(
                from: .init(content.slice(index * Self.length, Self.length)),
                at: UInt64(index * Self.length), durability: durability, userData: tag)
        }
        write(0, as: 0)
        switch shape {
        case .two, .durable: write(1, as: 1)
        case .three:
            write(1, as: 1)
            write(2, as: 2)
        case .flushBetween:
            queue.flush(userData: 1)
            write(1, as: 2)
        case .readBetween:
            queue.read(into: target.slice(1, 700), at: 8192, userData: 1)
            write(1, as: 2)
        }
    }
}
