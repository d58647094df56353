import BlockIO
import BlockIOTesting
import CTestSupport
import XCTest
@testable import TestSupport

/// Closing with requests in flight: each ends exactly once, before the close does, and nothing of
/// queue and image stays behind.
final class CloseTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let size = 8 << 20

    func testAThousandRequestsInFlightAtClose() throws {
        try forEachConfiguration(size: size) { subject in
            let flood = try Flood(subject, requests: 1000)
            flood.submit(to: subject.queue)
            var ledger = Ledger(count: flood.count)
            subject.queue.close { ledger.note($0) }
            ledger.assertAllSucceeded()
            XCTAssertEqual(subject.queue.outstanding, 0)
            try flood.assertDone()
        }
    }

    /// The buffers are free once the queue is gone.
    func testAThousandRequestsInFlightAtRelease() throws {
        try forEachTarget(size: size) { configuration, target in
            let flood: Flood
            do {
                let subject = try Subject(configuration, target, QueueOptions())
                flood = try Flood(subject, requests: 1000)
                flood.submit(to: subject.queue)
            }
            try flood.assertDone()
        }
    }

    /// Requests that take a while: closing waits, and so does releasing.
    func testCloseWaitsForTheSlowest() throws {
        let faults = FaultInjector()
        let options = QueueOptions().decorated(by: [.faults(faults)])
        try forEachTarget(size: size) { configuration, target in
            for isClosed in [true, false] {
                let flood: Flood
                var ledger = Ledger(count: 20)
                let hold = faults.add(.init(.hold, operations: [.write], after: 3))
                do {
                    let subject = try Subject(configuration, target, options)
                    flood = try Flood(subject, requests: 20)
                    flood.submit(to: subject.queue)
                    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(5)) {
                        // Writes that come to the engine later, as of an image with a format, pass.
                        faults.remove(hold)
                        faults.release()
                    }
                    if isClosed {
                        subject.queue.close { ledger.note($0) }
                        ledger.assertAllSucceeded()
                    }
                }
                try flood.assertDone()
            }
        }
    }

    func testSubmissionsAfterCloseAreRefused() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let queue = subject.queue
            let model = try subject.fillImage()
            let buffer = subject.buffer(subject.block)
            queue.close { _ in XCTFail("nothing was submitted") }
            let requests = queue.statistics.kernelRequests

            var inClosures: [BlockError.Code?] = []
            queue.batch {
                queue.read(into: buffer.bytes, at: 0)
                queue.write(from: .init(buffer.bytes), at: 0)
                queue.flush()
                queue.flush { inClosures.append($0.failure) }
            }
            XCTAssertEqual(queue.outstanding, 4)
            var failures: [BlockError.Code?] = []
            XCTAssertEqual(queue.poll(minimum: 4) { failures.append($0.failure) }, 4)
            XCTAssertEqual(failures, [.closed, .closed, .closed])
            XCTAssertEqual(inClosures, [.closed])
            assertClosed { try queue.readAndWait(into: buffer.bytes, at: 0) }
            assertClosed { try queue.writeAndWait(from: .init(buffer.bytes), at: 0) }
            assertClosed { try queue.flushAndWait() }

            queue.flush()
            queue.close { failures.append($0.failure) }
            queue.close { _ in XCTFail("closed twice") }
            XCTAssertEqual(failures.count, 4)
            XCTAssertEqual(queue.outstanding, 0)
            XCTAssertEqual(queue.statistics.kernelRequests, requests)
            XCTAssertTrue(buffer.isUntouched)
            let found = try subject.plainFile().contents(at: 0, subject.size)
            XCTAssertTrue(sameBytes(found.bytes, model.bytes))
        }
    }

    func testCloseInsideAPollClosure() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let queue = subject.queue
            let buffer = subject.buffer(8 * subject.block)
            for index in 0..<8 {
                queue.read(
                    into: buffer.slice(index * subject.block, subject.block), at: 0,
                    userData: UInt(index))
            }
            var ledger = Ledger(count: 8)
            var isClosing = false
            try queue.pollForOne { completion in
                ledger.note(completion)
                if isClosing { return }
                isClosing = true
                queue.close { ledger.note($0) }
            }
            ledger.assertAllSucceeded()
            XCTAssertEqual(queue.poll(), 0)
        }
    }

    func testAWritableImageHasOneQueueAtATime() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            func assertQueueExists() {
                XCTAssertThrowsError(try subject.configuration.queue(on: subject.image)) {
                    XCTAssertEqual(($0 as? BlockError)?.code, .tooManyQueues)
                }
            }
            assertQueueExists()
            subject.queue.close()
            var second: BlockQueue? = try subject.configuration.queue(on: subject.image)
            assertQueueExists()
            try second?.flushAndWait()
            second = nil
            let third = try subject.configuration.queue(on: subject.image)
            try third.flushAndWait()
            assertQueueExists()
        }
    }

    /// io_uring's ring is freed by the kernel in the background; what it holds must not be.
    func testLockAndClaimAreGoneAtOnce() throws {
        try forEachTarget(size: 1 << 20) { configuration, target in
            var atOnce = 0
            for round in 0..<4 {
                do {
                    let subject = try Subject(configuration, target, QueueOptions())
                    let buffer = subject.buffer(32 * subject.block)
                    for index in 0..<32 {
                        let piece = buffer.slice(index * subject.block, subject.block)
                        subject.queue.write(
                            from: .init(piece), at: UInt64(index * subject.block))
                    }
                    if round % 2 == 0 { subject.queue.close() }
                }
                if target.kind.isBlockDevice {
                    let claim = Descriptor.open(target.path, O_RDWR | O_EXCL)
                    if claim >= 0 { Descriptor(claim).close() }
                    atOnce += claim >= 0 ? 1 : 0
                }
                // Locks exclusively and, on a device, claims it.
                XCTAssertNoThrow(try configuration.open(target), "round \(round)")
            }
            // What a thread of the kernel has just done for the ring is let go a moment later, but
            // that is not the rule.
            if target.kind.isBlockDevice { XCTAssertGreaterThan(atOnce, 0, "claims") }
        }
    }

    private func assertClosed(line: UInt = #line, _ body: () throws -> Void) {
        XCTAssertThrowsError(try body(), line: line) {
            XCTAssertEqual(($0 as? BlockError)?.code, .closed, line: line)
        }
    }
}

/// Many requests of one block, even ones reads, odd ones writes, each of a block of its own.
private final class Flood {
    let count: Int
    private let block: Int
    private let model: AlignedBuffer
    private let buffer: AlignedBuffer
    private let file: PlainImage

    init(_ subject: Subject, requests count: Int) throws {
        self.count = count
        block = subject.block
        model = try subject.fillImage()
        buffer = AlignedBuffer(count: count * block)
        buffer.fill(using: &subject.random)
        file = try subject.plainFile()
    }

    func submit(to queue: BlockQueue) {
        queue.batch {
            for index in 0..<count {
                let piece = buffer.slice(index * block, block)
                let place = UInt64(index * block)
                if index % 2 == 0 {
                    queue.read(into: piece, at: place, userData: UInt(index))
                } else {
                    queue.write(from: .init(piece), at: place, userData: UInt(index))
                }
            }
        }
    }

    func assertDone(line: UInt = #line) throws {
        let found = try file.contents(at: 0, count * block)
        XCTAssertTrue(sameBytes(found.bytes, buffer.bytes), "content", line: line)
        let wrong = (0..<count).filter {
            $0 % 2 == 0
                && !sameBytes(buffer.slice($0 * block, block), model.slice($0 * block, block))
        }
        XCTAssertEqual(wrong.count, 0, "reads that moved nothing", line: line)
        XCTAssertTrue(buffer.guardsAreIntact, line: line)
    }
}
