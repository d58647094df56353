import BlockIO
import CTestSupport
import Dispatch
import XCTest
@testable import TestSupport

/// A full ring, because the thread of the kernel that submits (SQPOLL) does not get to it. The owner sleeps
/// until there is room.
final class SubmissionThreadTests: XCTestCase {
    private static let size = 1 << 20
    /// Submissions after which the thread gets to the ring all the same.
    private static let patience: Int64 = 20_000

    override func tearDown() { cts_calls_clear() }

    func testAFullRingIsNotSpunUpon() throws {
        let (queue, target) = try Self.queue(hasDescriptor: true)
        defer { target.close() }
        let buffer = AlignedBuffer(count: 8 * 4096)
        try queue.readAndWait(into: buffer.bytes, at: 0)
        let submissions = CallFault(CTS_CALL_URING_SUBMIT, count: 0)
        try submissions.during {
            cts_calls_hold_submission_thread(Self.patience)
            var requests: [RequestID] = []
            queue.batch {
                requests = (0..<5).map {
                    queue.read(into: buffer.slice($0 * 4096, 4096), at: UInt64($0 * 4096))
                }
            }
            // An entry each, beside those of the reads.
            for request in requests.prefix(3) { queue.cancel(request) }
            queue.batch {
                for index in 5..<8 {
                    queue.read(into: buffer.slice(index * 4096, 4096), at: UInt64(index * 4096))
                }
            }
            XCTAssertLessThan(submissions.counts.calls, 100)
            try queue.finish { XCTAssertTrue($0.isSuccess || $0.failure == .cancelled) }
        }
    }

    /// The poll of the wake event, which another thread has just signalled, needs an entry too.
    func testAWakeIsNotLostInAFullRing() throws {
        let (queue, target) = try Self.queue(hasDescriptor: false)
        defer { target.close() }
        let remote = queue.remote
        let buffer = AlignedBuffer(count: 8 * 4096)
        let earlier = queue.read(into: buffer.slice(0, 4096), at: 0)
        try queue.finish()
        remote.cancel(earlier)
        // The completion of the poll is in the ring when the ring is filled.
        usleep(100_000)
        cts_calls_hold_submission_thread(Self.patience)
        queue.batch {
            for index in 0..<8 {
                queue.read(into: buffer.slice(index * 4096, 4096), at: UInt64(index * 4096))
            }
            queue.poll()
        }
        try queue.finish()
        cts_calls_clear()
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(20)) {
            remote.cancel(earlier)
        }
        try Rescue.watching { queue.poll(minimum: 1) }
    }

    private static func queue(hasDescriptor: Bool) throws -> (BlockQueue, StorageTarget) {
        let target = try orSkip(StorageTarget.make(.loop512, size: size))
        let image = try BlockImage.open(
            target.path, OpenOptions(access: .readWrite, engine: .forced(.ioURing)))
        let options = QueueOptions(
            depth: 8, hasDescriptor: hasDescriptor, ring: RingOptions(submissionThreadIdle: 1000))
        return (try BlockQueue(image, options), target)
    }
}
