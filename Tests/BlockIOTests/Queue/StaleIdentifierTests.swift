import BlockIO
import XCTest
@testable import TestSupport

/// Identifiers of requests that ended long ago, whose memory the queue may have given back: they
/// cancel nothing and touch nothing.
final class StaleIdentifierTests: ConformanceTestCase {
    private static let count = 100_000

    func testStaleIdentifiersAfterManyRequests() throws {
        try forEachConfiguration(
            size: 1 << 16, where: { $0.target == .tmpfsFile && $0.caching == .direct }
        ) { subject in
            let (queue, block) = (subject.queue, subject.block)
            let buffer = subject.buffer(16 * block)
            var stale: [RequestID] = []
            stale.reserveCapacity(Self.count)
            // All of them at the same time, so that each has memory of its own.
            queue.batch {
                for _ in 0..<Self.count {
                    stale.append(queue.read(into: buffer.slice(0, block), at: 0))
                }
            }
            var done = 0
            try queue.finish { completion in
                done += 1
                if !completion.isSuccess { XCTFail("\(completion)") }
            }
            XCTAssertEqual(done, Self.count)
            XCTAssertEqual(Set(stale).count, Self.count)

            // With nothing under way, and with requests in flight that may be where those were.
            stale.forEach(queue.cancel)
            XCTAssertEqual(queue.outstanding, 0)
            let remote = queue.remote
            for round in 0..<4 {
                queue.batch {
                    for index in 0..<16 {
                        queue.write(
                            from: .init(buffer.slice(index * block, block)),
                            at: UInt64(index * block))
                    }
                    let step = 1 + round * 7
                    for index in stride(from: 0, to: Self.count, by: step) {
                        queue.cancel(stale[index])
                    }
                    for index in stride(from: 0, to: Self.count, by: 997) {
                        remote.cancel(stale[index])
                    }
                }
                try queue.finish { completion in
                    if !completion.isSuccess { XCTFail("\(completion)") }
                }
            }
        }
    }
}
