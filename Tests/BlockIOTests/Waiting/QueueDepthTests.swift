import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// ``QueueOptions/depth`` is how many requests the kernel is given at one time, whatever the engine.
final class QueueDepthTests: ConformanceTestCase {
    private static let requests = 64

    func testNoMoreRequestsAreInFlightThanTheDepth() throws {
        for depth in [1, 4, 20] {
            try forEachConfiguration(
                size: 1 << 20, QueueOptions(depth: depth), where: { $0.target == .ext4File }
            ) { subject in
                try self.check(subject, depth)
            }
        }
    }

    private func check(_ subject: Subject, _ depth: Int) throws {
        let queue = subject.queue
        let block = 4096
        let buffer = subject.buffer(Self.requests * block)
        let call =
            switch subject.image.engine {
            case .ioURing: CTS_CALL_URING_SUBMIT
            case .linuxAIO: CTS_CALL_AIO_SUBMIT
            case .threadPool: CTS_CALL_READ
            default: preconditionFailure("no call of \(subject.image.engine) is known")
            }
        let isThreads = subject.image.engine == .threadPool
        // The kernel's requests are counted when they are submitted, before any is collected; those
        // of threads are held.
        let fault = CallFault(
            call, count: isThreads ? -1 : 0,
            holdMilliseconds: isThreads ? Patience.holdMilliseconds : 0)
        var ledger = Ledger(count: Self.requests)
        try fault.during {
            queue.batch {
                for index in 0..<Self.requests {
                    queue.read(
                        into: buffer.slice(index * block, block), at: UInt64(index * block),
                        userData: UInt(index))
                }
            }
            if fault.isCovered {
                func inFlight() -> Int {
                    Int(isThreads ? fault.counts.held : fault.counts.transfers)
                }
                try eventually("\(depth) are in flight") { inFlight() >= depth }
                // Time for more to come, were they to come.
                usleep(20_000)
                XCTAssertEqual(inFlight(), depth)
            }
            fault.release()
            try queue.finish { ledger.note($0) }
        }
        ledger.assertAllSucceeded()
    }
}
