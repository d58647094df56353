import BlockIO
import BlockIOTesting
import Dispatch
import XCTest
@testable import TestSupport

/// Another thread closes the queue at a moment when its owner waits for nothing, or for a single
/// request: the queue is closed when the owner comes, and no wait goes on without an end.
final class RemoteCloseTests: PipelineTestCase {
    /// What the owner does first with a queue that is to be closed.
    private enum FirstUse: CaseIterable {
        case poll, pollWithLimit, look, descriptor, drain
    }

    func testBeforeTheFirstUse() throws {
        for use in FirstUse.allCases {
            try forEachConfiguration(
                size: 1 << 20, where: { $0.target == .ext4File && $0.caching == .direct }
            ) { subject in
                let queue = subject.queue
                let events = try EventSet(queue.descriptor)
                queue.remote.close()
                try Rescue.watching(outstanding: queue.outstanding) {
                    switch use {
                    case .poll: queue.poll(minimum: 1)
                    case .pollWithLimit: queue.poll(minimum: 1, timeout: Patience.limit)
                    case .look: queue.poll()
                    case .descriptor:
                        guard events.wait() != nil else {
                            throw Stuck(outstanding: queue.outstanding)
                        }
                        queue.poll()
                    case .drain:
                        queue.flush()
                        queue.drain()
                    }
                }
                XCTAssertTrue(queue.isClosed, "\(use)")
                try assertTakesNothing(queue)
            }
        }
    }

    /// What a call that waits for its own request waits for.
    private enum Call: CaseIterable {
        case read, write, flush, discard, writeZeroes
    }

    /// The message is there before the request ends, so it is read inside the call.
    func testInsideACallThatWaits() throws {
        for call in Call.allCases {
            for hasDescriptor in [true, false] {
                try forEachConfiguration(
                    size: 1 << 20, where: { $0.target == .ext4File && $0.caching == .direct }
                ) { subject in
                    try close(inside: call, hasDescriptor, subject)
                }
            }
        }
    }

    private func close(inside call: Call, _ hasDescriptor: Bool, _ subject: Subject) throws {
        let faults = FaultInjector()
        let queue = try subject.openQueue(
            QueueOptions(hasDescriptor: hasDescriptor).decorated(by: [.faults(faults)]))
        let remote = queue.remote
        let buffer = subject.buffer(4096)
        faults.add(.init(.hold, count: 1))
        DispatchQueue.global().async {
            while faults.heldCount == 0 { usleep(200) }
            remote.close()
            faults.release()
        }
        try Rescue.watching(outstanding: queue.outstanding) {
            switch call {
            case .read: try queue.readAndWait(into: buffer.bytes, at: 0)
            case .write: try queue.writeAndWait(from: .init(buffer.bytes), at: 0)
            case .flush: try queue.flushAndWait()
            case .discard: try queue.discardAndWait(at: 0, length: 4096)
            case .writeZeroes: try queue.writeZeroesAndWait(at: 0, length: 4096)
            }
            // Otherwise this would wait for a message that has come already.
            guard queue.isClosed else { return XCTFail("open after \(call)") }
            queue.poll(minimum: 1)
        }
        if queue.isClosed { try assertTakesNothing(queue) }
    }

    private func assertTakesNothing(_ queue: BlockQueue, line: UInt = #line) throws {
        var failures: [BlockError.Code?] = []
        queue.flush()
        try queue.finish { failures.append($0.failure) }
        XCTAssertEqual(failures, [.closed], line: line)
        XCTAssertEqual(queue.poll(minimum: 1), 0, line: line)
    }
}
