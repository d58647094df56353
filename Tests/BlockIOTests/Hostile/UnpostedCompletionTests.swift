import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// What a ring says of completions that the kernel has not posted is not always so, and a visit to the kernel
/// need not post any.
final class UnpostedCompletionTests: XCTestCase {
    private static let size = 1 << 20

    override func tearDown() { cts_calls_clear() }

    /// The flag of the ring stays set when everything has been posted.
    func testAFlagThatIsSetTooLateKeepsNoDescriptorReadable() throws {
        let (queue, target) = try Self.queue()
        defer { target.close() }
        let buffer = AlignedBuffer(count: 4096)
        let events = try EventSet(queue.descriptor)
        try queue.readAndWait(into: buffer.bytes, at: 0)
        cts_calls_leave_taskrun()
        let requests = 300
        var wakes = 0
        for _ in 0..<requests {
            queue.read(into: buffer.bytes, at: 4096)
            while queue.outstanding > 0 {
                guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
                wakes += 1
                queue.poll { XCTAssertTrue($0.isSuccess) }
            }
        }
        XCTAssertLessThan(wakes, requests * 11 / 10)
        while wakes < requests * 2, events.isReadable {
            wakes += 1
            queue.poll()
        }
        XCTAssertLessThan(wakes, requests * 2, "the descriptor stays readable")
    }

    /// The kernel does a limited number of steps in one visit, and signals no others that wait.
    func testAVisitThatPostsNothingIsNotTheLast() throws {
        let (queue, target) = try Self.queue()
        defer { target.close() }
        // The owner waits for the event, and not in the ring.
        let remote = queue.remote
        let requests = 20
        let buffer = AlignedBuffer(count: requests * 4096)
        try queue.readAndWait(into: buffer.slice(0, 4096), at: 0)
        queue.batch {
            for index in 0..<requests {
                queue.read(into: buffer.slice(index * 4096, 4096), at: UInt64(index * 4096))
            }
        }
        // What completes from now on would signal the event, and hide what is missing.
        usleep(200_000)
        let visits = CallFault(CTS_CALL_URING_VISIT, error: EAGAIN, count: 2)
        try Rescue.watching(outstanding: queue.outstanding, help: { cts_calls_clear() }) {
            try visits.during {
                XCTAssertGreaterThan(queue.poll(minimum: 1) { XCTAssertTrue($0.isSuccess) }, 0)
                XCTAssertEqual(visits.counts.struck, 2)
                try queue.finish { XCTAssertTrue($0.isSuccess) }
            }
        }
        remote.close()
    }

    /// On io_uring, with one thread and a descriptor.
    private static func queue() throws -> (BlockQueue, StorageTarget) {
        let target = try orSkip(StorageTarget.make(.loop512, size: size))
        let image = try BlockImage.open(
            target.path, OpenOptions(access: .readWrite, engine: .forced(.ioURing)))
        return (try BlockQueue(image), target)
    }
}
