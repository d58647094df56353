import BlockIO
import XCTest
@testable import TestSupport

/// Options outside their ranges are refused, those at the ends of them work.
final class QueueOptionTests: ConformanceTestCase {
    func testOptionsOutsideTheirRangesAreRefused() throws {
        try onTmpfs { subject in
            subject.queue.close()
            let bad: [QueueOptions] = [
                .init(depth: 0), .init(depth: -1), .init(depth: 4097), .init(depth: .max),
                .init(maximumThreads: 0), .init(maximumThreads: .min),
                .init(maximumThreads: 1025),
            ]
            for options in bad {
                XCTAssertThrowsError(try BlockQueue(subject.image, options)) {
                    XCTAssertEqual(($0 as? BlockError)?.code, .invalidOption, "\(options)")
                }
            }
            // What was refused does not count as the image's one queue.
            try subject.configuration.queue(on: subject.image).flushAndWait()
        }
    }

    func testExtremesWork() throws {
        let extremes: [QueueOptions] = [
            .init(depth: 1), .init(depth: 4096), .init(maximumThreads: 1),
            .init(depth: 1, maximumThreads: 1024), .init(depth: 4096, maximumThreads: 1024),
        ]
        for options in extremes {
            try onTmpfs(options) { try assertReadsWork($0, "\(options)") }
        }
    }

    /// The first request and the wait for it come to the engine together, and fill its ring.
    func testTheFirstRequestOfAQueueOfOneIsWaitedFor() throws {
        for options in [QueueOptions(depth: 1), QueueOptions(depth: 2)] {
            try onTmpfs(options) { subject in
                let buffer = subject.buffer(2 * subject.block)
                var delivered = 0
                for _ in 0..<3 {
                    subject.queue.batch {
                        for index in 0..<2 {
                            subject.queue.read(
                                into: buffer.slice(index * subject.block, subject.block), at: 0)
                        }
                        delivered += subject.queue.poll(minimum: 2, timeout: Patience.limit)
                    }
                }
                XCTAssertEqual(delivered, 6)
            }
        }
    }

    /// The first request for a helper thread and the wait for it come to the engine together.
    func testTheFirstRequestForAHelperIsWaitedFor() throws {
        try onTmpfs(QueueOptions(hasDescriptor: false)) { subject in
            for _ in 0..<3 {
                subject.queue.batch {
                    subject.queue.discard(at: 0, length: UInt64(subject.block))
                    XCTAssertEqual(subject.queue.poll(minimum: 1, timeout: Patience.limit), 1)
                }
            }
        }
    }

    func testQueuesWorkWithoutADescriptor() throws {
        try onTmpfs(QueueOptions(hasDescriptor: false)) { subject in
            XCTAssertEqual(subject.queue.descriptor, -1)
            try assertReadsWork(subject, "without a descriptor")
            subject.queue.read(into: subject.buffer(512).bytes, at: .max)
            XCTAssertEqual(subject.queue.poll(minimum: 1), 1)
        }
    }

    private func assertReadsWork(_ subject: Subject, _ what: String) throws {
        let content = try subject.fillImage()
        let count = 100
        let buffer = subject.buffer(count * subject.block)
        var ledger = Ledger(count: count)
        for index in 0..<count {
            let place = index * subject.block
            subject.queue.read(
                into: buffer.slice(place, subject.block), at: UInt64(place), userData: UInt(index))
        }
        try subject.queue.finish { ledger.note($0) }
        ledger.assertAllSucceeded()
        XCTAssertTrue(sameBytes(buffer.bytes, content.slice(0, buffer.count)), what)
    }

    private func onTmpfs(
        _ options: QueueOptions = QueueOptions(), _ check: (Subject) throws -> Void
    ) throws {
        try forEachConfiguration(
            size: 1 << 20, options, where: { $0.target == .tmpfsFile && $0.caching == .direct },
            check)
    }
}
