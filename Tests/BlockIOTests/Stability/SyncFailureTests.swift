import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// fdatasync(2) fails, takes long, or is asked for by many: with threads, whose calls can be seen.
final class SyncFailureTests: ConformanceTestCase {
    private static func isWanted(_ configuration: Configuration) -> Bool {
        configuration.engine == .threadPool
            && [.tmpfsFile, .ext4File].contains(configuration.target)
    }

    private func forEachQueue(_ body: (Subject) throws -> Void) throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isWanted) { subject in
            try Rescue.watching(help: { cts_calls_clear() }) { try body(subject) }
        }
    }

    /// What was lost is not known, on a direct image either.
    func testAFailureStays() throws {
        for error in [EIO, ENOSPC, EDQUOT] {
            try forEachQueue { subject in
                let fault = CallFault(CTS_CALL_FDATASYNC, error: error, count: 1)
                fault.during {
                    for _ in 0..<3 {
                        subject.queue.flush()
                        self.assertFlushes(subject.queue, [error])
                    }
                    XCTAssertEqual(fault.counts.struck, 1)
                }
                // Also without the fault, and for another queue.
                subject.queue.flush()
                self.assertFlushes(subject.queue, [error])
                let next = try subject.openQueue()
                next.flush()
                self.assertFlushes(next, [error])
            }
        }
    }

    /// A direct image whose last bytes went through the page cache has two descriptors, and one flush is two calls.
    func testALossIsToldBesideAnInterruptionOfTheOtherCall() throws {
        let size = (1 << 16) + 512
        for first in [EINTR, EIO] {
            let target = try orSkip(StorageTarget.make(.tmpfsFile, size: size))
            defer { target.close() }
            let image = try BlockImage.open(
                target.path,
                OpenOptions(
                    access: .readWrite, engine: .forced(.threadPool),
                    alignment: HostAlignment(memory: 4096, offset: 4096)))
            let queue = try BlockQueue(image)
            defer { queue.close() }
            let buffer = AlignedBuffer(count: 512)
            try queue.writeAndWait(from: .init(buffer.bytes), at: UInt64(size - 512))
            let one = CallFault(
                CTS_CALL_FDATASYNC, error: first, count: 1,
                holdMilliseconds: Patience.holdMilliseconds)
            let other = CallFault(
                CTS_CALL_FDATASYNC, error: first == EIO ? EINTR : EIO, count: 1)
            try Rescue.watching(help: { cts_calls_clear() }) {
                try one.during {
                    queue.flush()
                    try eventually("fdatasync is called") { one.counts.held == 1 }
                    other.set()
                    one.release()
                    self.assertFlushes(queue, [EIO])
                    XCTAssertEqual(other.counts.struck, 1)
                }
            }
            queue.flush()
            assertFlushes(queue, [EIO])
        }
    }

    func testAnInterruptionPasses() throws {
        for error in [EINTR, EAGAIN] {
            try forEachQueue { subject in
                let fault = CallFault(CTS_CALL_FDATASYNC, error: error, count: 3)
                try fault.during { try subject.queue.flushAndWait() }
                XCTAssertEqual(fault.counts.struck, 3)
                try subject.queue.flushAndWait()
            }
        }
    }

    /// However they are divided among calls, of which one fails.
    func testNoFlushSucceedsBesideOneThatFails() throws {
        try forEachQueue { subject in
            let fault = CallFault(
                CTS_CALL_FDATASYNC, error: EIO, count: 1,
                holdMilliseconds: Patience.holdMilliseconds)
            try fault.during {
                subject.queue.batch { for _ in 0..<4 { subject.queue.flush() } }
                try eventually("fdatasync is called") { fault.counts.held > 0 }
                subject.queue.flush()
                fault.release()
                self.assertFlushes(subject.queue, [EIO, EIO, EIO, EIO, EIO])
            }
        }
    }

    /// A flush covers what was written before it, and a call that had begun then does not.
    func testAFlushDoesNotCountACallThatHadBegun() throws {
        try forEachQueue { subject in
            let queue = subject.queue
            let buffer = subject.buffer(subject.block)
            let fault = CallFault(
                CTS_CALL_FDATASYNC, count: 1, holdMilliseconds: Patience.holdMilliseconds)
            try fault.during {
                queue.flush(userData: 1)
                try eventually("fdatasync is called") { fault.counts.held > 0 }
                queue.write(from: .init(buffer.bytes), at: 0, userData: 2)
                var order: [UInt] = []
                while order.isEmpty { queue.poll(minimum: 1) { order.append($0.userData) } }
                XCTAssertEqual(order, [2])
                queue.batch { for tag in 3...6 { queue.flush(userData: UInt(tag)) } }
                fault.release()
                var ledger = Ledger(count: 7)
                try queue.finish {
                    XCTAssertTrue($0.isSuccess)
                    ledger.note($0)
                }
                // One call, or two, for the four that came meanwhile.
                XCTAssertGreaterThanOrEqual(fault.counts.calls, 2)
                XCTAssertLessThanOrEqual(fault.counts.calls, 3)
            }
        }
    }

    func testAFlushOfAReadOnlyImageIsNoSystemCall() throws {
        for engine in EngineKind.allCases {
            let target = try orSkip(StorageTarget.make(.ext4File, size: 1 << 16))
            defer { target.close() }
            let image = try BlockImage.open(target.path, OpenOptions(engine: .forced(engine)))
            let queue = try BlockQueue(image)
            let fault = CallFault(CTS_CALL_FDATASYNC, error: EIO)
            try fault.during { try queue.flushAndWait() }
            XCTAssertEqual(fault.counts.calls, 0, "\(engine)")
            XCTAssertEqual(queue.statistics.kernelRequests, 0, "\(engine)")
            queue.close()
        }
    }

    private func assertFlushes(_ queue: BlockQueue, _ errors: [CInt], line: UInt = #line) {
        var found: [CInt] = []
        queue.drain {
            XCTAssertEqual($0.failure, $0.errno == 0 ? nil : .system, line: line)
            found.append($0.errno)
        }
        XCTAssertEqual(found, errors, line: line)
    }
}
