import BlockIOTesting
import XCTest
@testable import BlockIO
@testable import TestSupport

/// What the queues of an image tell each other, who is woken for it, and when a queue begins to listen.
final class QueueNoticeTests: QueuePairTestCase {
    /// It was counted when the resize looked, and is held back then: no completion brings its owner back.
    func testAQueueWhoseOnlyRequestIsHeldBackIsWokenToSaySo() throws {
        try forEachPair(of: \.isFile) { pair in
            let file = pair.first.core.pointee.files.first
            file.pointee.countModifying()
            pair.second.resize(to: Self.size / 2)
            file.pointee.uncountModifying(1)
            pair.write(pair.first, sector: 3)
            try QueuePair.serveAll([pair.first, pair.second]) { _, completion in
                XCTAssertTrue(completion.isSuccess)
            }
            XCTAssertEqual(pair.image.size, Self.size / 2)
            try pair.assertSectorsAreWritten(3)
        }
    }

    /// The resize is asked for after `poll` has looked at the notices for the last time before it delivers.
    func testAPollThatDeliversTheLastRequestTellsAResize() throws {
        try checkNoticeDuringSubmission { queue, buffer, resize in
            queue.batch {
                queue.write(from: .init(buffer.bytes), at: 0)
                resize()
                XCTAssertEqual(queue.poll(minimum: 1), 1)
            }
        }
    }

    /// The same in a call that waits for its own request.
    func testACallThatWaitsForTheLastRequestTellsAResize() throws {
        try checkNoticeDuringSubmission { queue, buffer, resize in
            resize()
            try queue.writeAndWait(from: .init(buffer.bytes), at: 0)
        }
    }

    /// Runs `body` with the first of two queues. After its last argument has been called, the second queue asks for
    /// a resize while the next submission of the first is answered. The first queue is not looked at again.
    private func checkNoticeDuringSubmission(
        _ body: (BlockQueue, AlignedBuffer, () -> Void) throws -> Void
    ) throws {
        let backEnd = ImmediateBackEnd(size: 4096)
        let image = try BlockImage.open(
            backEnd: backEnd, OpenOptions(access: .readWrite, queueLimit: 2))
        let first = try BlockQueue(image)
        let second = try BlockQueue(image)
        // So that the second one can be closed if it waits in vain.
        defer { first.poll() }
        let buffer = AlignedBuffer(count: 512)
        try body(first, buffer) {
            backEnd.beforeAnswer = {
                second.resize(to: 1024)
                XCTAssertEqual(second.poll(), 0, "the first queue has a write under way")
            }
        }
        XCTAssertEqual(first.outstanding, 0)
        try QueuePair.serveAll([second]) { XCTAssertTrue($1.isSuccess) }
        XCTAssertEqual(image.size, 1024)
    }

    // MARK: Listening

    /// Because a wait that others may end can cost one more system call.
    func testAQueueDoesNotListenBeforeItHasToWaitForAnother() throws {
        try forEachPair { pair in
            let (queue, openings) = try self.listener(pair)
            // Each in a block of its own.
            pair.write(queue, sector: 1)
            pair.write(queue, sector: 24)
            pair.write(pair.second, sector: 9)
            queue.read(into: pair.buffer.slice(4096, 4096), at: 4096)
            try QueuePair.serveAll([queue, pair.second]) { XCTAssertTrue($1.isSuccess) }
            queue.discard(at: 8192, length: 4096)
            queue.flush()
            try queue.finish { XCTAssertTrue($0.isSuccess) }
            if pair.first.image.capabilities.contains(.resize) {
                try queue.resizeAndWait(to: Self.size / 2)
                try pair.second.resizeAndWait(to: Self.size)
                pair.write(queue, sector: 127)
                try queue.finish { XCTAssertTrue($0.isSuccess) }
            }
            XCTAssertEqual(openings.count, 0)
        }
    }

    func testAQueueListensFromTheFirstWriteThatWaitsForAnotherQueue() throws {
        try forEachPair { pair in
            let (queue, openings) = try self.listener(pair)
            try pair.holdWriteOfFirst()
            for _ in 0..<2 { pair.write(queue, sector: 1) }
            XCTAssertEqual(openings.count, 1)
            pair.faults.release()
            try pair.first.pollForOne()
            try queue.finish { XCTAssertTrue($0.isSuccess) }
            XCTAssertEqual(openings.count, 1)
        }
    }

    func testAQueueListensFromTheFirstRequestThatAResizeHoldsBack() throws {
        try forEachPair(of: \.isFile) { pair in
            let (queue, openings) = try self.listener(pair)
            try pair.holdWriteOfFirst()
            pair.second.resize(to: Self.size / 2)
            for _ in 0..<2 { pair.write(queue, sector: 20) }
            XCTAssertEqual(openings.count, 1)
            pair.faults.release()
            try QueuePair.serveAll([pair.first, pair.second, queue])
        }
    }

    func testAQueueListensFromTheFirstResizeThatWaitsForAnotherQueue() throws {
        try forEachPair(of: \.isFile) { pair in
            let (queue, openings) = try self.listener(pair)
            try pair.holdWriteOfFirst()
            queue.resize(to: Self.size / 2)
            XCTAssertEqual(openings.count, 1)
            pair.faults.release()
            try QueuePair.serveAll([pair.first, queue]) { XCTAssertTrue($1.isSuccess) }
        }
    }

    /// A third queue of the pair's image.
    private func listener(_ pair: QueuePair) throws -> (BlockQueue, WakeOpenings) {
        let openings = WakeOpenings()
        var options = QueueOptions()
        options.decorators = [openings]
        return (try pair.configuration.queue(on: pair.image, options), openings)
    }

    /// The owner of a queue without requests has not asked for what other queues say.
    func testANoticeDoesNotEndAWaitForACallOrALimit() throws {
        try forEachPair { pair in
            let queue = pair.second
            let mailbox = queue.core.pointee.mailbox
            let limit = Duration.milliseconds(5)
            var (waits, whole) = (0, 0)
            // The kernel ends a wait too, while it closes a ring of this thread.
            while waits < 500 && whole < 3 {
                waits += 1
                mailbox.post(.turn, wakesOwner: true)
                let start = ContinuousClock.now
                XCTAssertEqual(queue.poll(minimum: 1, timeout: limit), 0)
                if ContinuousClock.now - start >= limit { whole += 1 }
            }
            XCTAssertEqual(whole, 3, "of \(waits) waits")
            // A call does, also one from before the wait, and one that came beside a notice.
            let remote = queue.remote
            let id = pair.write(queue, sector: 0)
            try queue.finish()
            remote.cancel(id)
            mailbox.post(.turn, wakesOwner: true)
            try Rescue.watching { XCTAssertEqual(queue.poll(minimum: 1), 0) }
        }
    }

    // MARK: Turns

    /// Resizes follow each other without an end, in one queue or in turns in two.
    func testResizesThatFollowEachOtherDoNotHoldBackAWriteForEver() throws {
        for resizing in [1, 2] {
            try forEachPair(of: \.isFile) { pair in
                let third = try pair.configuration.queue(on: pair.image)
                try pair.holdWriteOfFirst()
                pair.second.resize(to: Self.size / 2)
                if resizing == 2 { pair.first.resize(to: Self.size) }
                for sector in [20, 30] { pair.write(third, sector: sector) }
                pair.faults.release()
                var (resizes, resizesBeforeWrite) = (0, 0)
                try QueuePair.serveAll([pair.first, pair.second, third]) { number, completion in
                    XCTAssertTrue(completion.isSuccess)
                    if number == 2 { resizesBeforeWrite = resizes }
                    guard completion.operation == .resize else { return }
                    resizes += 1
                    if resizes < 20 {
                        let queue = number == 0 ? pair.first : pair.second
                        queue.resize(to: resizes % 2 == 0 ? Self.size / 2 : Self.size)
                    }
                }
                XCTAssertGreaterThanOrEqual(resizes, 20)
                XCTAssertLessThanOrEqual(resizesBeforeWrite, 3)
                try pair.assertSectorsAreWritten(0, 20, 30)
            }
        }
    }

    /// What it was to wait for is not there any more, and nobody looks at the queue.
    func testAResizeDoesNotWaitForAQueueWhoseHeldBackRequestsWereCancelled() throws {
        try forEachPair(of: \.isFile) { pair in
            let third = try pair.configuration.queue(on: pair.image)
            try pair.holdWriteOfFirst()
            pair.second.resize(to: Self.size / 2)
            let ids = [20, 30].map { pair.write(third, sector: $0) }
            for id in ids { third.cancel(id) }
            try third.finish { XCTAssertEqual($0.failure, .cancelled) }
            pair.faults.release()
            try QueuePair.serveAll([pair.first, pair.second])
            pair.first.resize(to: Self.size)
            pair.second.resize(to: Self.size / 2)
            try QueuePair.serveAll([pair.first, pair.second]) { XCTAssertTrue($1.isSuccess) }
        }
    }

    func testAResizeDoesNotWaitForAQueueThatIsClosed() throws {
        try forEachPair(of: \.isFile) { pair in
            let third = try pair.configuration.queue(on: pair.image)
            try pair.holdWriteOfFirst()
            pair.second.resize(to: Self.size / 2)
            pair.write(third, sector: 20)
            pair.faults.release()
            try pair.first.pollForOne()
            try pair.second.pollForOne { XCTAssertTrue($0.isSuccess) }
            // The next one waits for the third queue to go on.
            pair.first.resize(to: Self.size)
            XCTAssertEqual(pair.image.size, Self.size / 2)
            third.close { XCTAssertTrue($0.isSuccess) }
            try QueuePair.serveAll([pair.first]) { XCTAssertTrue($1.isSuccess) }
            XCTAssertEqual(pair.image.size, Self.size)
            try pair.assertSectorsAreWritten(0, 20)
        }
    }
}
