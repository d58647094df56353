import BlockIO
import XCTest
@testable import TestSupport

/// An owner who sleeps on the descriptor is woken as often as there is a reason, not only once.
final class RepeatedWakeTests: HostileTestCase {
    /// Enough to lose a wake-up to a race.
    private static let rounds = 5_000

    /// A request that is refused at once is finished outside `poll`.
    func testByRequestsThatFinishAtOnce() throws {
        try forEachQueue { queue, events, what in
            try wake(queue, events, what)
        }
    }

    /// The same on a queue that has been in use.
    func testAfterAnotherRequest() throws {
        try forEachQueue { queue, events, what in
            let buffer = AlignedBuffer(count: 4096)
            queue.read(into: buffer.bytes, at: 0)
            try queue.finish()
            try wake(queue, events, what)
        }
    }

    private func wake(_ queue: BlockQueue, _ events: EventSet, _ what: String) throws {
        let buffer = AlignedBuffer(count: 4096)
        for round in 0..<Self.rounds {
            queue.read(into: buffer.bytes, at: 1 << 40)
            guard events.wait() != nil else {
                return XCTFail("\(what): asleep in round \(round)")
            }
            XCTAssertEqual(queue.poll(), 1, what)
        }
    }

    private func forEachQueue(
        _ check: (BlockQueue, EventSet, String) throws -> Void
    ) throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        for setup in EngineSetup.all {
            for threading in [QueueThreading.owned, .shared] {
                let image = try setup.open(target.path)
                let queue = try BlockQueue(image, QueueOptions(threading: threading))
                try check(queue, try EventSet(queue.descriptor), "\(setup), \(threading)")
            }
        }
    }
}
