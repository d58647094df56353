import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Threads of an engine: requests that are quick are done and delivered beside some that take long,
/// which are held here until the others have been seen.
///
/// Under a sanitizer that replaces pread(2), reads are not held and so the order is left to chance.
final class SlowNeighbourTests: ConformanceTestCase {
    private static let size = 1 << 20
    private static let reads = 8

    private enum Slow: CaseIterable {
        case flush, read, discard
    }

    /// How the owner waits.
    private enum Wait: CaseIterable {
        case poll, pollForMany, descriptor
    }

    func testReadsAreDoneBesideOneSlowRequest() throws { try check(slow: 1) }
    func testReadsAreDoneBesideTwoSlowRequests() throws { try check(slow: 2) }
    func testReadsAreDoneBesideFourSlowRequests() throws { try check(slow: 4) }

    /// More than there are threads, and than the engine may have requests: neither counts where reads are concerned.
    func testReadsAreDoneBesideMoreDiscardsThanThreads() throws {
        for wait in Wait.allCases {
            try forEachConfiguration(
                size: Self.size, where: { Self.isWanted($0, .discard) }
            ) { subject in
                try self.check(
                    subject, .discard, 8, wait, QueueOptions(depth: 4, maximumThreads: 3))
            }
        }
    }

    private func check(slow count: Int) throws {
        for slow in Slow.allCases {
            // Flushes may be merged into one.
            if slow == .flush && count > 1 { continue }
            for wait in Wait.allCases {
                try forEachConfiguration(
                    size: Self.size, where: { Self.isWanted($0, slow) }
                ) { subject in
                    try self.check(subject, slow, count, wait)
                }
            }
        }
    }

    /// In memory, reads are copies, which the owner does itself while it submits. Other engines have
    /// threads for discards.
    private static func isWanted(_ configuration: Configuration, _ slow: Slow) -> Bool {
        switch configuration.target {
        case .tmpfsFile:
            configuration.engine == .threadPool && configuration.caching == .buffered
                && slow != .read
        case .ext4File:
            configuration.engine == .threadPool
                ? configuration.caching == .buffered : slow == .discard
        default: false
        }
    }

    private func check(
        _ subject: Subject, _ slow: Slow, _ count: Int, _ wait: Wait,
        _ options: QueueOptions = QueueOptions()
    ) throws {
        let queue = try subject.openQueue(options)
        let block = 4096
        let buffer = subject.buffer((Self.reads + count) * block)
        // Reads were quick until now.
        for index in 0..<200 {
            queue.read(into: buffer.slice(0, block), at: UInt64(index % 64 * block))
            if index % 8 == 7 { try queue.finish() }
        }
        let slowRange = UInt64(Self.size / 2)..<UInt64(Self.size)
        let fault =
            switch slow {
            case .flush: CallFault(CTS_CALL_FDATASYNC, holdMilliseconds: Patience.holdMilliseconds)
            case .read:
                CallFault(
                    CTS_CALL_READ, holdMilliseconds: Patience.holdMilliseconds, range: slowRange)
            case .discard:
                CallFault(
                    CTS_CALL_FALLOCATE, holdMilliseconds: Patience.holdMilliseconds,
                    range: slowRange)
            }
        var order: [UInt] = []
        func submitReads() {
            for index in 0..<Self.reads {
                queue.read(
                    into: buffer.slice(index * block, block), at: UInt64(index * block),
                    userData: UInt(index))
            }
        }
        func submitSlow() {
            for index in 0..<count {
                let place = slowRange.lowerBound + UInt64(index * block)
                let tag = UInt(100 + index)
                switch slow {
                case .flush: queue.flush(userData: tag)
                case .read:
                    queue.read(
                        into: buffer.slice((Self.reads + index) * block, block), at: place,
                        userData: tag)
                case .discard: queue.discard(at: place, length: UInt64(block), userData: tag)
                }
            }
        }
        try fault.during {
            if subject.image.engine == .threadPool {
                // One line for both.
                queue.batch {
                    submitSlow()
                    submitReads()
                }
            } else {
                submitSlow()
                try eventually("a discard is under way") { fault.counts.held > 0 }
                queue.batch { submitReads() }
            }
            try collect(queue, Self.reads, wait) { order.append($0.userData) }
            if fault.isCovered {
                // The thread that serves it may come late.
                try eventually("the fault strikes") { fault.counts.struck > 0 }
                XCTAssertEqual(
                    Set(order.prefix(Self.reads)), Set(0..<UInt(Self.reads)),
                    "\(slow), \(wait): \(order)")
                XCTAssertLessThanOrEqual(order.count, Self.reads, "\(slow), \(wait): \(order)")
            }
            fault.release()
            try queue.finish { order.append($0.userData) }
        }
        XCTAssertEqual(order.count, Self.reads + count)
    }

    /// Waits until so many have been delivered.
    private func collect(
        _ queue: BlockQueue, _ count: Int, _ wait: Wait, _ note: (BlockCompletion) -> Void
    ) throws {
        let events = try EventSet(queue.descriptor)
        var delivered = 0
        while delivered < count {
            switch wait {
            case .poll: delivered += queue.poll(minimum: 1, note)
            case .pollForMany: delivered += queue.poll(minimum: count - delivered, note)
            case .descriptor:
                guard events.wait() != nil else {
                    throw Stuck(outstanding: queue.outstanding)
                }
                delivered += queue.poll(note)
            }
        }
    }
}
