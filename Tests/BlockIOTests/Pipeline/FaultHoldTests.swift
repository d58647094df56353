import BlockIO
import BlockIOTesting
import Dispatch
import Glibc
import XCTest
@testable import TestSupport

/// Holding engine submissions and letting them go, by rule, by all, and from another thread.
final class FaultHoldTests: PipelineTestCase {
    func testAHeldOperationWaitsForItsRelease() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.hold, count: 1))
            let buffer = AlignedBuffer(count: 1024)
            bench.queue.read(into: buffer.slice(0, 512), at: 0, userData: 1)
            bench.queue.read(into: buffer.slice(512, 512), at: 512, userData: 2)
            XCTAssertEqual(bench.next().map(\.userData), [2])
            XCTAssertTrue(bench.isQuiet())
            XCTAssertEqual(bench.faults.heldCount, 1)
            bench.faults.release()
            XCTAssertEqual(try bench.finish().map(\.userData), [1])
            XCTAssertEqual(bench.faults.heldCount, 0)
            XCTAssertTrue(sameBytes(buffer.bytes, bench.expected.slice(0, 1024)))
        }
    }

    func testARuleIsReleasedAlone() throws {
        try forEachBench { bench in
            let rules = [UInt64(0), 512].map {
                bench.faults.add(.init(.hold, range: $0..<$0 + 512))
            }
            let buffer = AlignedBuffer(count: 1024)
            bench.queue.read(into: buffer.slice(0, 512), at: 0, userData: 1)
            bench.queue.read(into: buffer.slice(512, 512), at: 512, userData: 2)
            bench.faults.release(rules[1])
            XCTAssertEqual(bench.next().map(\.userData), [2])
            bench.faults.remove(rules[0])
            XCTAssertTrue(bench.isQuiet(), "what a removed rule holds stays held")
            bench.faults.release(rules[0])
            XCTAssertEqual(try bench.finish().map(\.userData), [1])
        }
    }

    func testAReleaseMeansOnlyWhatIsHeldAtThatMoment() throws {
        try forEachBench { bench in
            let buffer = AlignedBuffer(count: 512)
            let rule = bench.faults.add(.init(.hold, count: 1))
            bench.faults.release(rule)
            bench.queue.read(into: buffer.bytes, at: 0)
            XCTAssertTrue(bench.isQuiet())
            bench.faults.release(rule)
            XCTAssertEqual(try bench.finish().count, 1)
        }
    }

    func testWhatWasHeldMeetsTheOtherRules() throws {
        let faults: [(FaultInjector.Fault, Set<CInt>)] = [
            (.error(EIO), [EIO]), (.transientError(ENOSPC), [ENOSPC]), (.refuse, [0]),
            (.short(0), [0]), (.delay(.milliseconds(1)), [0]),
        ]
        try forEachBench(where: { $0.target == .tmpfsFile }) { bench in
            let buffer = AlignedBuffer(count: 512)
            for (fault, expected) in faults {
                let rule = bench.faults.add(.init(fault, count: 1))
                let hold = bench.faults.add(.init(.hold), isFirst: true)
                bench.queue.read(into: buffer.bytes, at: 0)
                XCTAssertTrue(bench.isQuiet())
                XCTAssertEqual(bench.faults.heldCount, 1)
                let before = bench.faults.injectedCount
                // The hold is still there, but holds nothing twice.
                bench.faults.release(hold)
                let completions = try bench.finish()
                XCTAssertEqual(Set(completions.map(\.errno)), expected, "\(fault)")
                XCTAssertEqual(bench.faults.injectedCount, before + 1, "\(fault)")
                bench.faults.remove(hold)
                bench.faults.remove(rule)
            }
        }
    }

    func testWhatIsCancelledIsHeldNoMore() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.hold))
            let buffer = AlignedBuffer(count: 1024)
            let first = bench.queue.read(into: buffer.slice(0, 512), at: 0)
            bench.queue.read(into: buffer.slice(512, 512), at: 512)
            XCTAssertEqual(bench.faults.heldCount, 2)
            bench.queue.cancel(first)
            XCTAssertEqual(bench.next().map(\.failure), [.cancelled])
            XCTAssertEqual(bench.faults.heldCount, 1)
            bench.faults.release()
            XCTAssertEqual(try bench.finish().count, 1)
        }
    }

    func testAReleaseFromAnotherThreadEndsAWait() throws {
        try forEachBench { bench in
            let faults = bench.faults
            let buffer = AlignedBuffer(count: 512)
            faults.add(.init(.hold, count: 1))
            bench.queue.read(into: buffer.bytes, at: 0)
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(5)) {
                faults.release()
            }
            XCTAssertEqual(bench.next().count, 1)
        }
    }

    /// The release comes while the queue is looking at what has ended, or just before or after.
    func testAReleaseIsNotLostToAPollAtTheSameTime() throws {
        try forEachBench { bench in
            let events = try EventSet(bench.queue.descriptor)
            let faults = bench.faults
            let isHeld = DispatchSemaphore(value: 0)
            let rounds = 300 * Rounds.count
            DispatchQueue.global().async {
                for _ in 0..<rounds {
                    isHeld.wait()
                    faults.release()
                }
            }
            faults.add(.init(.hold))
            let buffer = AlignedBuffer(count: 512)
            for round in 0..<rounds {
                bench.queue.read(into: buffer.bytes, at: 0)
                isHeld.signal()
                for _ in 0..<round % 8 { bench.queue.poll() }
                while bench.queue.outstanding > 0 {
                    guard events.wait() != nil else {
                        return XCTFail("asleep after the release of round \(round)")
                    }
                    bench.queue.poll()
                }
            }
        }
    }

    /// A consumer that sleeps in epoll_wait(2) and never polls without being told.
    func testEveryFaultWakesAnEventLoop() throws {
        let faults: [FaultInjector.Fault] = [
            .hold, .error(EINTR), .error(EIO), .short(100), .short(0), .delay(.milliseconds(3)),
            .reorder, .refuse, .flipByte,
        ]
        try forEachBench { bench in
            let events = try EventSet(bench.queue.descriptor)
            for fault in faults {
                let injector = bench.faults
                injector.add(.init(fault, after: 1, count: 2))
                let buffer = AlignedBuffer(count: 4096)
                for index in 0..<4 {
                    bench.queue.read(
                        into: buffer.slice(index * 1024, 1024), at: UInt64(index * 1024),
                        userData: UInt(index))
                }
                if fault == .hold {
                    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(3)) {
                        injector.release()
                    }
                }
                var ledger = Ledger(count: 4)
                while bench.queue.outstanding > 0 {
                    guard events.wait() != nil else {
                        return XCTFail("asleep after \(fault) with \(bench.queue.outstanding) left")
                    }
                    bench.queue.poll { ledger.note($0) }
                }
                ledger.assertAllCompleted()
                let fails = fault == .error(EIO) || fault == .short(0)
                XCTAssertEqual(ledger.failures.count, fails ? 2 : 0, "\(fault)")
            }
        }
    }
}
