import BlockIO
import Dispatch
import Synchronization
import XCTest
@testable import TestSupport

/// What other threads ask of a queue whose owner is busy, polling or asleep.
final class RemoteTests: PipelineTestCase {
    private static let pages = HostAlignment(memory: 4096, offset: 4096)

    func testCancelWakesABlockedPoll() throws {
        try forEachBench { bench in
            let remote = bench.queue.remote
            bench.faults.add(.init(.hold))
            let buffer = AlignedBuffer(count: 512)
            for _ in 0..<20 {
                let id = bench.queue.read(into: buffer.bytes, at: 0)
                DispatchQueue.global().async { remote.cancel(id) }
                XCTAssertEqual(bench.next().map(\.failure), [.cancelled])
                remote.cancel(id)
            }
        }
    }

    func testCancelWakesAnEventLoop() throws {
        try forEachBench(Bench.Setup(alignment: Self.pages)) { bench in
            let events = try EventSet(bench.queue.descriptor)
            let remote = bench.queue.remote
            bench.faults.add(.init(.hold, operations: [.write]))
            let buffer = AlignedBuffer(count: 512)
            // The second is blocked by the first.
            let ids = (0..<2).map {
                bench.queue.write(
                    from: .init(buffer.bytes), at: UInt64($0 * 512), userData: UInt($0))
            }
            for index in [1, 0] {
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(2)) {
                    remote.cancel(ids[index])
                }
                var ended: [UInt] = []
                while ended.isEmpty {
                    guard events.wait() != nil else { throw Stuck(outstanding: 2) }
                    bench.queue.poll { ended.append($0.userData) }
                }
                XCTAssertEqual(ended, [UInt(index)])
            }
            try bench.assertMedium()
        }
    }

    /// Thousands of cancels from another thread, of requests anywhere on their way.
    func testRandomCancels() throws {
        let perConfiguration = 500 * Rounds.count
        try forEachBench(Bench.Setup(alignment: Self.pages, depth: 4, bounceLimit: 512)) { bench in
            let remote = bench.queue.remote
            let mail = Locked<[RequestID]>([])
            let isDone = Atomic<Bool>(false)
            let ended = DispatchSemaphore(value: 0)
            DispatchQueue.global().async {
                while !isDone.load(ordering: .relaxed) {
                    let ids = mail.withLock { mail in
                        defer { mail = [] }
                        return mail
                    }
                    ids.shuffled().forEach(remote.cancel)
                }
                ended.signal()
            }
            var ledger = Ledger(count: perConfiguration)
            let buffer = AlignedBuffer(count: 64 * 1024)
            bench.faults.add(.init(.reorder, probability: 0.1))
            bench.faults.add(.init(.delay(.microseconds(200)), probability: 0.02))
            for number in 0..<perConfiguration {
                let memory = buffer.slice(bench.random.number(0...50_000), 700)
                let place = UInt64(bench.random.number(0...60_000))
                let id =
                    number % 2 == 0
                    ? bench.queue.read(into: memory, at: place, userData: UInt(number))
                    : bench.queue.write(from: .init(memory), at: place, userData: UInt(number))
                switch bench.random.number(0...3) {
                case 0: mail.withLock { $0.append(id) }
                case 1: bench.queue.cancel(id)
                default: break
                }
                if bench.queue.outstanding > 40 { try bench.queue.pollForOne { ledger.note($0) } }
            }
            try bench.queue.finish { ledger.note($0) }
            isDone.store(true, ordering: .relaxed)
            ended.wait()
            ledger.assertAllCompleted()
            XCTAssertTrue(ledger.failures.allSatisfy { $0.failure == .cancelled })
            XCTAssertFalse(ledger.failures.isEmpty)
            XCTAssertTrue(buffer.guardsAreIntact)
        }
    }

    func testCloseWakesABlockedPollAndWaitsForWhatIsUnderWay() throws {
        try forEachBench { bench in
            let (remote, faults) = (bench.queue.remote, bench.faults)
            faults.add(.init(.hold))
            let buffer = AlignedBuffer(count: 512)
            bench.queue.read(into: buffer.bytes, at: 0)
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(2)) {
                remote.close()
                faults.release()
            }
            XCTAssertEqual(bench.next().map(\.failure), [nil])
            bench.queue.poll()
            XCTAssertTrue(bench.queue.isClosed)
            bench.queue.read(into: buffer.bytes, at: 0)
            XCTAssertEqual(try bench.finish().map(\.failure), [.closed])
            remote.close()
            bench.queue.close()
        }
    }

    func testCloseWakesAnEventLoopThatHasNothingToDo() throws {
        try forEachBench { bench in
            let events = try EventSet(bench.queue.descriptor)
            let remote = bench.queue.remote
            bench.queue.poll()
            while events.isReadable { bench.queue.poll() }
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(2)) {
                remote.close()
            }
            guard events.wait() != nil else { throw Stuck(outstanding: 0) }
            bench.queue.poll()
            XCTAssertTrue(bench.queue.isClosed)
        }
    }
}
