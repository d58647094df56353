import BlockHost
import Foundation
import XCTest
@testable import BlockIO
@testable import TestSupport

/// Who does a request: the owner that waits, or a thread. A thread that is called changes the word
/// that threads sleep on.
final class ThreadPoolTests: XCTestCase {
    private static let block = 4096
    private var directory: TemporaryDirectory?
    private var image: BlockImage?
    private let slots = UnsafeMutablePointer<IORequest>.allocate(capacity: 64)
    private let vector = UnsafeMutablePointer<iovec>.allocate(capacity: 1)
    private let buffer = AlignedBuffer(count: block)
    /// What a request took lately, in nanoseconds.
    private var pace: UInt64 = 0
    private var areCopies = false

    override func setUpWithError() throws {
        let made = try TemporaryDirectory()
        directory = made
        try Data(count: 1 << 20).write(to: URL(fileURLWithPath: made.path("image")))
        image = try BlockImage.open(
            made.path("image"), OpenOptions(caching: .buffered, engine: .forced(.threadPool)))
        vector.initialize(to: IOVector(buffer.bytes).vector)
        slots.initialize(repeating: IORequest(), count: 64)
        for index in 0..<64 {
            (slots + index).pointee.submission = EngineSubmission(
                kind: .read, list: IOVectorList(vector, count: 1),
                position: UInt64(index * Self.block), length: UInt64(Self.block))
        }
    }

    override func tearDown() {
        image = nil
        directory = nil
        slots.deinitialize(count: 64)
        slots.deallocate()
        vector.deallocate()
    }

    func testWhatIsLeftByTheOnlyProcessorHasAThread() throws {
        try withPool(processors: 1, pace: 1_000, inlineLimit: 0) { pool in
            var pending = requests(20)
            var answered = RequestFIFO()
            pool.collect(minimum: 1, limit: .forever, pending: &pending, into: &answered)
            XCTAssertGreaterThanOrEqual(answered.count, 8, "its own share")
            let left = 20 - answered.count
            // Not only when a thread's sleep ends by itself, after seconds.
            XCTAssertTrue(pool.withState { $0.queued.isEmpty || $0.threads > $0.idle })
            try eventually("a thread has done the other \(left)") {
                pool.withState { $0.answered.count == left }
            }
            pool.collect(minimum: left, limit: .forever, pending: &pending, into: &answered)
            XCTAssertEqual(answered.count, 20)
        }
    }

    func testTheOwnerDoesWhatItHasToWaitForAnyway() throws {
        try withPool(pace: 500_000) { pool in
            XCTAssertEqual(try threadsCalled(pool, requests: 1, minimum: 1), 0)
            // It may end with any of them, so none may keep the owner: each has a thread.
            XCTAssertEqual(try threadsCalled(pool, requests: 4, minimum: 1), 1)
            XCTAssertEqual(pool.withState { $0.threads }, 4)
        }
    }

    /// In a pool that has found one thread to be enough.
    func testFewerThreadsThanRequestsServeThemAll() throws {
        var threads = 0
        // Where the machine is busy one of them may be slow, and more threads are called.
        for _ in 0..<50 where threads != 1 {
            try withPool(pace: 500_000) { pool in
                pool.withState { $0.tuning = ThreadTuning(limit: 1) }
                XCTAssertGreaterThan(try threadsCalled(pool, requests: 20, minimum: 1), 0)
                threads = pool.withState { $0.threads }
            }
        }
        XCTAssertEqual(threads, 1)
    }

    /// It sleeps for two answers at first, as long as four requests are left.
    func testAnOwnerThatWaitsForOneAnswerIsNotKeptForASecond() throws {
        try withPool(pace: 500_000) { pool in
            // The only thread is said to be at work, and the watcher to look.
            pool.withState { state in
                state.tuning = ThreadTuning(limit: 1)
                state.idle = 0
                state.watcher = .watching
            }
            nonisolated(unsafe) let slots = slots
            let hasReturned = DispatchSemaphore(value: 0)
            let hasCancelled = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                while pool.withState({ $0.awaited == 0 }) { usleep(100) }
                pool.cancel(RequestPointer(slots))
                if hasReturned.wait(timeout: .now() + 3) == .timedOut {
                    pool.cancel(RequestPointer(slots + 1))
                }
                hasCancelled.signal()
            }
            var pending = requests(5)
            var answered = RequestFIFO()
            pool.collect(minimum: 1, limit: .forever, pending: &pending, into: &answered)
            hasReturned.signal()
            hasCancelled.wait()
            XCTAssertEqual(answered.count, 1)
            for index in 1..<5 { pool.cancel(RequestPointer(slots + index)) }
            pool.withState { state in
                state.idle = 1
                state.watcher = .absent
            }
        }
    }

    func testTheOwnerIsNotKeptFromATimeoutOrFromOthers() throws {
        try withPool(pace: 500_000) { pool in
            let short = WaitLimit.nanoseconds(1_000_000)
            XCTAssertEqual(try threadsCalled(pool, requests: 1, minimum: 1, short), 1)
            XCTAssertEqual(try threadsCalled(pool, requests: 1, minimum: 1), 0)
            pool.wake()
            XCTAssertEqual(try threadsCalled(pool, requests: 1, minimum: 1), 1)
            XCTAssertEqual(try threadsCalled(pool, requests: 1, minimum: 1), 1, "from then on")
        }
    }

    func testNothingIsDoneByAnOwnerWhileRequestsAreSlow() throws {
        try withPool(pace: 9_000_000) { pool in
            XCTAssertEqual(try threadsCalled(pool, requests: 1, minimum: 1), 1)
        }
    }

    func testAnOwnerGoesOnUntilItHasWhatItWaitsFor() throws {
        try withPool(processors: 1, pace: 1_000, inlineLimit: 0) { pool in
            // Where the machine is busy one of them may be slow.
            for _ in 0..<50 where try threadsCalled(pool, requests: 20, minimum: 20) == 0 {
                return
            }
            XCTFail("a thread was called each time")
        }
    }

    func testAnOwnerStopsWhenItsTimeIsOver() throws {
        try withPool(processors: 1, pace: 1_000, inlineLimit: 0) { pool in
            let moment = WaitLimit.nanoseconds(1)
            XCTAssertEqual(try threadsCalled(pool, requests: 20, minimum: 20, moment), 1)
        }
    }

    func testAnOwnerThatSubmitsCopiesAtOnce() throws {
        try withPool(pace: 1_000, inlineLimit: 4096) { pool in
            XCTAssertEqual(try submit([4096], to: pool), Answer(atOnce: 1, calls: 0))
        }
    }

    func testMoreThanTheLimitIsLeftToThreads() throws {
        try withPool(pace: 1_000, inlineLimit: 4096) { pool in
            XCTAssertEqual(try submit([8192], to: pool), Answer(atOnce: 0, calls: 1))
            XCTAssertEqual(try submit([4096, 8192, 4096], to: pool), Answer(atOnce: 1, calls: 1))
        }
    }

    func testNothingIsCopiedAtOnceWhileItIsSlow() throws {
        try withPool(pace: 9_000_000, inlineLimit: 4096) { pool in
            XCTAssertEqual(try submit([4096], to: pool), Answer(atOnce: 0, calls: 1))
        }
    }

    func testAThreadHelpsWithMany() throws {
        try withPool(pace: 1_000, inlineLimit: 4096) { pool in
            let calls = try submit([UInt64](repeating: 4096, count: 40), to: pool).calls
            XCTAssertGreaterThanOrEqual(calls, 1)
        }
    }

    /// The only request of an owner that waits, as at depth 1.
    func testTheOwnerServesTheOnlyRequestWithoutThreads() throws {
        areCopies = true
        for (nanoseconds, isServed) in [(1_000, true), (9_000_000, false)] as [(UInt64, Bool)] {
            try withPool(pace: nanoseconds, inlineLimit: 0) { pool in
                try prepare(pool)
                let only = try XCTUnwrap(requests(1).head)
                let called = pool.work.value
                XCTAssertEqual(pool.serveOnlyRequest(only, .forever), isServed)
                XCTAssertFalse(pool.serveOnlyRequest(only, .nanoseconds(0)))
                if isServed { XCTAssertEqual(only.pointee.result, Int64(Self.block)) }
                XCTAssertEqual(pool.work.value, called)
                pool.wake()
                XCTAssertFalse(pool.serveOnlyRequest(only, .forever), "the wake is not seen yet")
                var none = RequestFIFO()
                var answered = RequestFIFO()
                pool.collect(minimum: 0, limit: .forever, pending: &none, into: &answered)
                XCTAssertEqual(pool.serveOnlyRequest(only, .forever), isServed)
            }
        }
    }

    /// What others have put into the list of ended requests is not counted as the engine's.
    func testTheEngineCountsItsOwnRequests() throws {
        var engine = try ThreadPoolEngine(
            image: XCTUnwrap(image), options: QueueOptions(hasDescriptor: false))
        var answered = RequestFIFO()
        answered.append(RequestPointer(slots + 63))
        var pending = requests(3)
        while answered.count < 4 {
            _ = engine.reap(
                minimum: 3, limit: .forever, pending: &pending, answered: &answered)
        }
        XCTAssertEqual(engine.inFlight, 0)
        engine.shutDown()
    }

    // MARK: Help

    /// A pool with one thread that sleeps, which has seen requests of this duration.
    private func withPool(
        processors: Int = 2, pace nanoseconds: UInt64, inlineLimit: UInt64? = nil,
        _ body: (ThreadPool) throws -> Void
    ) throws {
        let pool = ThreadPool(
            image: try XCTUnwrap(image), threadLimit: 64, event: nil,
            isBesideRing: false, inlineLimit: inlineLimit, processors: processors)
        defer { pool.stop() }
        pace = nanoseconds
        areCopies = inlineLimit != nil
        var pending = requests(1)
        pool.enqueue(&pending)
        var answered = RequestFIFO()
        pool.collect(minimum: 1, limit: .forever, pending: &pending, into: &answered)
        try prepare(pool)
        try body(pool)
    }

    /// All threads sleep, and have seen requests of the pace.
    private func prepare(_ pool: ThreadPool) throws {
        try eventually("all threads sleep") { pool.withState { $0.threads == $0.idle } }
        // Those of the test itself may take long where the machine is busy.
        pool.withState { state in
            state.pace = RequestPace(areCopies: areCopies)
            for _ in 0..<32 { state.pace.note(pace, bytes: 4096) }
        }
    }

    /// What the owner had done when it had submitted, and how often threads were called.
    private struct Answer: Equatable {
        var atOnce: UInt64
        var calls: UInt32
    }

    /// Submits reads of so many bytes each.
    private func submit(_ lengths: [UInt64], to pool: ThreadPool) throws -> Answer {
        try prepare(pool)
        let (done, called) = (pool.inlineCompletions, pool.work.value)
        var pending = requests(lengths)
        pool.enqueue(&pending)
        let answer = Answer(
            atOnce: pool.inlineCompletions - done, calls: pool.work.value &- called)
        finish(lengths.count, pool)
        return answer
    }

    private func finish(_ count: Int, _ pool: ThreadPool) {
        var pending = RequestFIFO()
        var answered = RequestFIFO()
        while answered.count < count {
            pool.collect(minimum: count, limit: .forever, pending: &pending, into: &answered)
        }
    }

    private func requests(_ lengths: [UInt64]) -> RequestFIFO {
        for (index, length) in lengths.enumerated() { slots[index].submission.length = length }
        return requests(lengths.count)
    }

    /// Does some reads, and says how often threads were called for them.
    private func threadsCalled(
        _ pool: ThreadPool, requests count: Int, minimum: Int, _ limit: WaitLimit = .forever
    ) throws -> UInt32 {
        try prepare(pool)
        var pending = requests(count)
        var answered = RequestFIFO()
        let before = pool.work.value
        pool.collect(minimum: minimum, limit: limit, pending: &pending, into: &answered)
        let called = pool.work.value &- before
        while answered.count < count {
            pool.collect(minimum: count, limit: .forever, pending: &pending, into: &answered)
        }
        while let request = answered.popFirst() {
            XCTAssertEqual(request.pointee.result, Int64(Self.block))
        }
        return called
    }

    private func requests(_ count: Int) -> RequestFIFO {
        var fifo = RequestFIFO()
        for index in 0..<count { fifo.append(RequestPointer(slots + index)) }
        return fifo
    }
}

extension ThreadPool {
    fileprivate func withState<Result>(_ body: (inout State) -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body(&state.pointee)
    }
}
