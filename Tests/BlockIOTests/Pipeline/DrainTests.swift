import BlockIO
import Dispatch
import Glibc
import XCTest
@testable import TestSupport

/// Draining and closing while requests are anywhere on their way.
final class DrainTests: PipelineTestCase {
    private static let setup = Bench.Setup(
        alignment: HostAlignment(memory: 4096, offset: 4096), depth: 2, bounceLimit: 512)

    func testDrainDeliversEverythingOnceAndWhatIsSubmittedMeanwhile() throws {
        try forEachBench(Self.setup, guises: Bench.Guise.allCases, where: Self.isDirectFile) {
            bench in
            bench.faults.add(.init(.delay(.milliseconds(1)), probability: 0.1))
            bench.faults.add(.init(.reorder, probability: 0.2))
            bench.faults.add(.init(.error(EINTR), probability: 0.1))
            let buffer = AlignedBuffer(count: 8192)
            var ledger = Ledger(count: 40)
            self.submit(20, bench, buffer)
            try Rescue.watching(outstanding: bench.queue.outstanding) {
                bench.queue.drain { completion in
                    ledger.note(completion)
                    guard completion.userData < 20 else { return }
                    bench.queue.read(into: buffer.bytes, at: 0, userData: completion.userData + 20)
                }
            }
            ledger.assertAllSucceeded()
            XCTAssertEqual(bench.queue.outstanding, 0)
        }
    }

    private static func isDirectFile(_ configuration: Configuration) -> Bool {
        !configuration.target.isBlockDevice && configuration.caching == .direct
    }

    func testCloseWaitsForBlockedAndPendingRequests() throws {
        try forEachBench(Self.setup, guises: [.bare], where: Self.isDirectFile) { bench in
            let buffer = AlignedBuffer(count: 8192)
            self.submit(20, bench, buffer)
            usleep(500)
            var ledger = Ledger(count: 20)
            try Rescue.watching(outstanding: bench.queue.outstanding) {
                bench.queue.close { ledger.note($0) }
            }
            ledger.assertAllSucceeded()
            XCTAssertTrue(bench.queue.isClosed)
        }
    }

    func testCloseWaitsForHeldBlockedAndPendingRequests() throws {
        try forEachBench(Self.setup) { bench in
            let faults = bench.faults
            faults.add(.init(.hold, count: 1))
            let buffer = AlignedBuffer(count: 8192)
            self.submit(20, bench, buffer)
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(3)) {
                faults.release()
            }
            var ledger = Ledger(count: 20)
            bench.queue.close { ledger.note($0) }
            ledger.assertAllSucceeded()
            XCTAssertTrue(bench.queue.isClosed)
            XCTAssertEqual(bench.queue.descriptor, -1)
            bench.queue.close { _ in XCTFail("delivered twice") }
            bench.queue.flush()
            bench.queue.discard(at: 0, length: 4096)
            XCTAssertEqual(try bench.finish().map(\.failure), [.closed, .closed])
        }
    }

    func testCloseCollectsWhatWasCancelled() throws {
        try forEachBench(Self.setup) { bench in
            bench.faults.add(.init(.hold))
            let buffer = AlignedBuffer(count: 8192)
            self.submit(20, bench, buffer).forEach(bench.queue.cancel)
            var ledger = Ledger(count: 20)
            bench.queue.close { ledger.note($0) }
            ledger.assertAllCompleted()
            XCTAssertEqual(ledger.failures.count, 20)
            try bench.assertMedium()
        }
    }

    /// Writes in pieces to neighbouring sectors, each blocked by the one before.
    @discardableResult
    private func submit(_ count: Int, _ bench: Bench, _ buffer: AlignedBuffer) -> [RequestID] {
        (0..<count).map {
            bench.queue.write(
                from: .init(buffer.slice(1, 6000)), at: UInt64($0 * 512), userData: UInt($0))
        }
    }
}
