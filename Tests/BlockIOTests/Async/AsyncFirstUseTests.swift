import BlockIO
import Dispatch
import Glibc
import Synchronization
import XCTest
@testable import TestSupport

/// One request to a fresh image, at any moment of its thread's first use of the queue.
final class AsyncFirstUseTests: XCTestCase {
    func testAFlushIsNotLostToTheFirstUseOfTheQueue() throws {
        for engine in EngineKind.allCases {
            let target = try orSkip(try StorageTarget.make(.tmpfsFile, size: 1 << 20))
            defer { target.close() }
            let run = FreshImages(target.path, engine)
            // Beside the test, which goes on when a flush never returns.
            Task.detached { await run.start() }
            let end = run.end.wait(timeout: .now() + .seconds(60))
            XCTAssertEqual(end, .success, "\(engine): asleep in round \(run.round)")
            XCTAssertEqual(run.failure, "", "\(engine)")
            if end != .success { return }
        }
    }
}

/// Images that are opened, flushed once and closed, one after the other.
private final class FreshImages: Sendable {
    private let path: String
    private let engine: EngineKind
    private let rounds: Int
    private let roundsDone = Atomic<Int>(0)
    private let error = Locked("")
    let end = DispatchSemaphore(value: 0)

    init(_ path: String, _ engine: EngineKind) {
        self.path = path
        self.engine = engine
        // The kernel takes a tenth of a second to destroy a context of libaio.
        rounds = (engine == .linuxAIO ? 50 : 600) * Rounds.count
    }

    var round: Int { roundsDone.load(ordering: .relaxed) }

    /// What was thrown, in words; empty when nothing was.
    var failure: String { error.withLock { $0 } }

    func start() async {
        do {
            for round in 0..<rounds {
                try await flushOnce(after: .nanoseconds(round % 100 * 2_000))
                roundsDone.store(round + 1, ordering: .relaxed)
            }
        } catch {
            self.error.withLock { $0 = "\(error)" }
        }
        end.signal()
    }

    /// The thread of the image begins meanwhile.
    private func flushOnce(after delay: Duration) async throws {
        let options = OpenOptions(access: .readOnly, engine: .forced(engine))
        let disk = try AsyncBlockImage(BlockImage.open(path, options))
        let start = ContinuousClock.now
        while ContinuousClock.now - start < delay {}
        try await disk.flush()
        await disk.close()
    }
}
