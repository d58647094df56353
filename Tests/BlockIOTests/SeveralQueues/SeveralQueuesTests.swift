import BlockIO
import BlockIOTesting
import Dispatch
import XCTest
@testable import TestSupport

/// Two queues of one image whose requests wait for each other: a block is eight sectors.
final class SeveralQueuesTests: QueuePairTestCase {
    func testAWriteWaitsForThatOfAnotherQueueInTheSameBlock() throws {
        try forEachPair { pair in
            let events = try EventSet(pair.second.descriptor)
            try pair.holdWriteOfFirst()
            pair.write(pair.second, sector: 1)
            XCTAssertFalse(events.isReadable)
            XCTAssertEqual(pair.second.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            pair.faults.release()
            try pair.first.pollForOne { XCTAssertTrue($0.isSuccess) }
            try pair.serve(pair.second, events) { XCTAssertTrue($0.isSuccess) }
            try pair.assertSectorsAreWritten(0, 1)
        }
    }

    /// Under a minimum that other requests of the queue cannot reach.
    func testAWaitForSeveralEndsWhenAnotherQueueReleasesOne() throws {
        try forEachPair { pair in
            try pair.holdWriteOfFirst()
            let (configuration, image) = (pair.configuration, pair.image)
            let isWaiting = DispatchSemaphore(value: 0)
            let thread = TestThread {
                guard let queue = try? configuration.queue(on: image) else {
                    return XCTFail("there is no third queue")
                }
                let buffer = AlignedBuffer(count: 512)
                let memory = buffer.bytes
                queue.write(from: .init(memory), at: 512)
                queue.write(from: .init(memory), at: 8192)
                isWaiting.signal()
                queue.drain { XCTAssertTrue($0.isSuccess) }
            }
            isWaiting.wait()
            usleep(2_000)
            pair.faults.release()
            try pair.first.pollForOne()
            thread.join()
        }
    }

    func testAWriteThatWaitsForAnotherQueueIsCancelled() throws {
        try forEachPair { pair in
            try pair.holdWriteOfFirst()
            let id = pair.write(pair.second, sector: 1)
            pair.write(pair.second, sector: 2)
            pair.second.cancel(id)
            try pair.second.pollForOne { XCTAssertEqual($0.failure, .cancelled) }
            pair.faults.release()
            try pair.first.pollForOne { XCTAssertTrue($0.isSuccess) }
            try pair.second.pollForOne { XCTAssertTrue($0.isSuccess) }
            try pair.assertSectorsAreWritten(0, 2)
        }
    }

    /// It was released, and its queue has not looked yet.
    func testAWriteThatAnotherQueueHasReleasedIsCancelled() throws {
        try forEachPair { pair in
            try pair.holdWriteOfFirst()
            let id = pair.write(pair.second, sector: 1)
            pair.write(pair.second, sector: 1)
            pair.faults.release()
            try pair.first.pollForOne { XCTAssertTrue($0.isSuccess) }
            pair.second.cancel(id)
            var failures: [BlockError.Code?] = []
            try pair.second.finish { failures.append($0.failure) }
            XCTAssertEqual(failures.count, 2)
            XCTAssertTrue(failures.contains(nil))
            XCTAssertTrue(failures.allSatisfy { $0 == nil || $0 == .cancelled }, "\(failures)")
        }
    }

    func testAQueueClosesAlthoughItWaitsForAnother() throws {
        try forEachPair { pair in
            try pair.holdWriteOfFirst()
            let (configuration, image) = (pair.configuration, pair.image)
            let thread = TestThread {
                guard let queue = try? configuration.queue(on: image) else {
                    return XCTFail("there is no third queue")
                }
                let buffer = AlignedBuffer(count: 512)
                queue.write(from: .init(buffer.bytes), at: 512)
                queue.close { XCTAssertTrue($0.isSuccess) }
            }
            usleep(2_000)
            pair.faults.release()
            try pair.first.pollForOne { XCTAssertTrue($0.isSuccess) }
            thread.join()
        }
    }

    func testAResizeWaitsForWritesOfOtherQueuesAndHoldsThemBack() throws {
        try forEachPair(of: \.isFile) { pair in
            let events = try (EventSet(pair.first.descriptor), EventSet(pair.second.descriptor))
            // The second queue does the resize.
            try pair.holdWriteOfFirst()
            pair.second.resize(to: Self.size / 2)
            XCTAssertEqual(pair.second.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            pair.write(pair.first, sector: 100, userData: 1)
            pair.write(pair.first, sector: 20, userData: 2)
            XCTAssertEqual(pair.first.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            XCTAssertEqual(pair.image.size, Self.size)

            pair.faults.release()
            try pair.serve(pair.first, events.0) { XCTAssertEqual($0.userData, 0) }
            try pair.serve(pair.second, events.1) { XCTAssertTrue($0.isSuccess) }
            XCTAssertEqual(pair.image.size, Self.size / 2)
            var failures: [UInt: BlockError.Code?] = [:]
            while failures.count < 2 {
                try pair.serve(pair.first, events.0) { failures[$0.userData] = $0.failure }
            }
            XCTAssertEqual(failures, [1: .outOfRange, 2: nil])
            try pair.assertSectorsAreWritten(0, 20)
        }
    }

    /// Where it is outside the image so far.
    func testAResizeHoldsBackAWriteOfAnotherQueueBehindTheEnd() throws {
        try forEachPair(of: \.isFile) { pair in
            try pair.holdWriteOfFirst()
            pair.first.resize(to: 2 * Self.size)
            pair.write(pair.second, sector: 200)
            XCTAssertEqual(pair.second.poll(minimum: 1, timeout: .milliseconds(3)), 0)
            pair.faults.release()
            try QueuePair.serveAll([pair.first, pair.second]) { XCTAssertTrue($1.isSuccess) }
            XCTAssertEqual(pair.image.size, 2 * Self.size)
            try pair.assertSectorsAreWritten(0, 200)
            // No resize is under way any more.
            pair.write(pair.second, sector: 256)
            try pair.second.finish { XCTAssertEqual($0.failure, .outOfRange) }
        }
    }

    /// Nobody looks at it.
    func testAResizeDoesNotWaitForAQueueWithoutRequests() throws {
        try forEachPair(of: \.isFile) { pair in
            pair.write(pair.second, sector: 0)
            try pair.second.finish { XCTAssertTrue($0.isSuccess) }
            try pair.first.resizeAndWait(to: Self.size / 2)
            pair.write(pair.second, sector: 100)
            try pair.second.finish { XCTAssertEqual($0.failure, .outOfRange) }
            try pair.second.resizeAndWait(to: 2 * Self.size)
            pair.write(pair.first, sector: 200)
            try pair.first.finish { XCTAssertTrue($0.isSuccess) }
            XCTAssertEqual(pair.image.size, 2 * Self.size)
            try pair.assertSectorsAreWritten(0, 200)
        }
    }

    func testAResizeThatWaitsForAnotherQueueIsCancelled() throws {
        try forEachPair(of: \.isFile) { pair in
            try pair.holdWriteOfFirst()
            let id = pair.second.resize(to: Self.size / 2)
            pair.write(pair.first, sector: 9, userData: 1)
            pair.second.cancel(id)
            try pair.second.pollForOne { XCTAssertEqual($0.failure, .cancelled) }
            // What it held back goes on, although the first write is still held.
            try pair.first.pollForOne { XCTAssertEqual($0.userData, 1) }
            pair.faults.release()
            try pair.first.finish { XCTAssertTrue($0.isSuccess) }
            XCTAssertEqual(pair.image.size, Self.size)
        }
    }

    func testAFlushThatHasFailedIsKnownInTheOtherQueue() throws {
        try forEachPair { pair in
            try pair.second.flushAndWait()
            pair.faults.add(.init(.error(EIO), operations: [.flush], count: 1))
            XCTAssertThrowsError(try pair.first.flushAndWait())
            XCTAssertThrowsError(try pair.second.flushAndWait()) {
                XCTAssertEqual(($0 as? BlockError)?.errno, EIO)
            }
        }
    }

    /// A thread makes each call, and each waits for that of the other queue: no queue need be looked at.
    func testAFlushDoesNotWaitForAQueueThatNobodyLooksAt() throws {
        try forEachPair { pair in
            pair.write(pair.first, sector: 0)
            try pair.first.finish()
            pair.first.flush()
            try pair.second.flushAndWait()
            try pair.first.finish { XCTAssertTrue($0.isSuccess) }
        }
    }
}
