import BlockIO
import XCTest

@testable import TestSupport

/// What a body of poll, drain or close throws: its completion counts as delivered, and no other is lost.
final class ThrowingBodyTests: ConformanceTestCase {
    private let size = 1 << 20

    private struct Refused: Error, Equatable { let userData: UInt }

    private func read(_ count: Int, _ subject: Subject) -> AlignedBuffer {
        let buffer = subject.buffer(count * subject.block)
        for index in 0..<count {
            subject.queue.read(
                into: buffer.slice(index * subject.block, subject.block),
                at: UInt64(index * subject.block), userData: UInt(index))
        }
        return buffer
    }

    /// Each completion throws, so each needs a poll of its own, which the descriptor asks for.
    func testTheRestIsAnnouncedAndDelivered() throws {
        try forEachConfiguration(size: size) { subject in
            let (queue, count) = (subject.queue, 40)
            let buffer = self.read(count, subject)
            let events = try EventSet(queue.descriptor)
            var ledger = Ledger(count: count)
            var errors = 0
            while !ledger.isComplete {
                let before = queue.outstanding
                guard events.wait() != nil else { throw Stuck(outstanding: before) }
                var seen: UInt?
                do throws(Refused) {
                    try queue.poll { (completion) throws(Refused) in
                        ledger.note(completion)
                        seen = completion.userData
                        throw Refused(userData: completion.userData)
                    }
                    XCTAssertNil(seen, "a body threw and poll did not")
                } catch {
                    XCTAssertEqual(error.userData, seen)
                    XCTAssertEqual(queue.outstanding, before - 1)
                    errors += 1
                }
            }
            XCTAssertEqual(errors, count)
            ledger.assertAllSucceeded()
            XCTAssertEqual(queue.outstanding, 0)
            // The slots are free: as many requests are taken again.
            let second = self.read(count, subject)
            var again = Ledger(count: count)
            queue.drain { again.note($0) }
            again.assertAllSucceeded()
            withExtendedLifetime((buffer, second)) {}
        }
    }

    /// All have ended before the first is delivered; one in the middle throws.
    func testTheOthersOfABatchStay() throws {
        try forEachConfiguration(size: size) { subject in
            let queue = subject.queue
            let buffer = self.read(9, subject)
            var order: [UInt] = []
            for round in 0..<2 {
                do {
                    try queue.poll(minimum: 9) { completion in
                        order.append(completion.userData)
                        if order.count == 4 { throw Refused(userData: completion.userData) }
                    }
                    XCTAssertEqual(round, 1)
                } catch {
                    XCTAssertEqual(round, 0)
                    XCTAssertEqual(order.count, 4)
                    XCTAssertEqual(error as? Refused, Refused(userData: order[3]))
                }
            }
            XCTAssertEqual(order.sorted(), Array(0..<9))
            XCTAssertEqual(queue.poll(), 0)
            withExtendedLifetime(buffer) {}
        }
    }

    func testDrainAndCloseCanBeCalledAgain() throws {
        try forEachConfiguration(size: size) { subject in
            let queue = subject.queue
            for isClosing in [false, true] {
                let buffer = self.read(12, subject)
                var ledger = Ledger(count: 12)
                let body = { (completion: BlockCompletion) throws(Refused) in
                    ledger.note(completion)
                    if completion.userData % 3 == 0 {
                        throw Refused(userData: completion.userData)
                    }
                }
                var errors = 0
                while !ledger.isComplete {
                    do throws(Refused) {
                        if isClosing { try queue.close(body) } else { try queue.drain(body) }
                    } catch {
                        errors += 1
                        XCTAssertEqual(queue.isClosed, isClosing)
                    }
                }
                XCTAssertEqual(errors, 4)
                ledger.assertAllSucceeded()
                withExtendedLifetime(buffer) {}
            }
            XCTAssertEqual(queue.outstanding, 0)
        }
    }

    /// Requests with closures of their own are not what a body throws about.
    func testClosuresAreCalledOnceBesideABodyThatThrows() throws {
        try forEachConfiguration(size: size) { subject in
            let queue = subject.queue
            var calls = [Int](repeating: 0, count: 10)
            let buffer = self.read(10, subject)
            for index in 0..<10 { queue.flush { _ in calls[index] += 1 } }
            var ledger = Ledger(count: 10)
            var errors = 0
            while queue.outstanding > 0 {
                do {
                    try queue.poll(minimum: 20) { completion in
                        ledger.note(completion)
                        throw Refused(userData: completion.userData)
                    }
                } catch {
                    errors += 1
                }
            }
            XCTAssertEqual(errors, 10)
            XCTAssertEqual(calls, [Int](repeating: 1, count: 10))
            ledger.assertAllSucceeded()
            withExtendedLifetime(buffer) {}
        }
    }

    /// Tasks wait for requests of a shared queue; the thread that polls it throws about others.
    func testTasksGetTheirCompletionsBesideABodyThatThrows() async throws {
        for engine in EngineKind.allCases {
            let target = try orSkip(try StorageTarget.make(.tmpfsFile, size: size))
            defer { target.close() }
            let image = try BlockImage.open(
                target.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            let queue = Locked(try BlockQueue(image, QueueOptions(threading: .shared)))
            let isOver = Locked(false)
            let errors = Locked(0)
            let polling = Task.detached {
                while !isOver.withLock({ $0 }) {
                    do {
                        try queue.withLock { queue in
                            queue.flush(userData: 1)
                            try queue.poll { throw Refused(userData: $0.userData) }
                        }
                    } catch {
                        errors.withLock { $0 += 1 }
                    }
                }
            }
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        for _ in 0..<20 {
                            let completion = await withUnsafeContinuation { continuation in
                                queue.withLock {
                                    _ = $0.flush { continuation.resume(returning: $0) }
                                }
                            }
                            if !completion.isSuccess { return false }
                        }
                        return true
                    }
                }
                for await isSuccess in group { XCTAssertTrue(isSuccess) }
            }
            isOver.withLock { $0 = true }
            await polling.value
            XCTAssertGreaterThan(errors.withLock { $0 }, 0)
            queue.withLock { $0.close() }
        }
    }
}
