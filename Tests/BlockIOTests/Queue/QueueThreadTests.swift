import BlockIO
import XCTest
@testable import TestSupport

/// Which threads may use a queue.
final class QueueThreadTests: ConformanceTestCase {
    /// The thread that opens a queue need not be its owner: the first that uses it is.
    func testTheOwnerIsTheFirstUserNotTheOpener() throws {
        try forEachConfiguration(size: 1 << 20, where: { $0.threading == .owned }) { subject in
            let content = try subject.fillImage()
            let errors = Relay.run(subject) { subject in
                let buffer = subject.buffer(64 * subject.block)
                for index in 0..<64 {
                    let place = index * subject.block
                    subject.queue.read(
                        into: buffer.slice(place, subject.block), at: UInt64(place))
                }
                try subject.queue.finish()
                try subject.queue.flushAndWait()
                XCTAssertTrue(sameBytes(buffer.bytes, content.slice(0, buffer.count)))
                subject.queue.close()
            }
            XCTAssertTrue(errors.isEmpty, "\(errors)")
        }
    }

    /// An owner may be gone when the queue is.
    func testAQueueThatNobodyUsedIsReleased() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            XCTAssertEqual(subject.queue.outstanding, 0)
        }
    }

    /// Submitted by one thread, polled by the next, closed by a third, all of them gone by then.
    func testASharedQueueGoesFromThreadToThread() throws {
        try forEachConfiguration(size: 1 << 20, where: { $0.threading == .shared }) { subject in
            let content = try subject.fillImage()
            let block = subject.block
            let buffer = subject.buffer(60 * block)
            var ledger = Ledger(count: 60)
            for turn in 0..<3 {
                var errors = Relay.run(subject) { subject in
                    for index in turn * 20..<turn * 20 + 20 {
                        subject.queue.read(
                            into: buffer.slice(index * block, block), at: UInt64(index * block),
                            userData: UInt(index))
                    }
                }
                errors += Relay.run(subject) { subject in
                    try subject.queue.pollForOne { ledger.note($0) }
                }
                XCTAssertTrue(errors.isEmpty, "\(errors)")
            }
            _ = Relay.run(subject) { $0.queue.close { ledger.note($0) } }
            ledger.assertAllSucceeded()
            XCTAssertTrue(sameBytes(buffer.bytes, content.slice(0, buffer.count)))
        }
    }
}

/// Runs something on a new thread and waits for its end.
private enum Relay {
    /// Crosses threads, but only one at a time uses it: the other waits. Emptied when the thread
    /// has run it, as the thread itself gives up its references when it likes.
    private final class Baton: @unchecked Sendable {
        var leg: (() throws -> Void)?
        let outcomes = Outcomes()
        let end = DispatchSemaphore(value: 0)

        func run() {
            outcomes.record { try leg?() }
            leg = nil
        }
    }

    static func run(
        _ subject: Subject, _ leg: @escaping (Subject) throws -> Void
    ) -> [any Error] {
        let baton = Baton()
        baton.leg = { try leg(subject) }
        Thread.detachNewThread {
            baton.run()
            baton.end.signal()
        }
        baton.end.wait()
        return baton.outcomes.errors
    }
}
