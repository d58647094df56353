import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Quick requests beside a call that takes long, when it has the only thread that serves the queue.
final class LastThreadTests: ConformanceTestCase {
    /// One thread is to be had, and a flush has it: the reads behind it end while the flush is held.
    func testReadsDoNotWaitForAFlushThatHasTheOnlyThread() throws {
        for way in 0..<6 {
            try forEachConfiguration(
                size: 1 << 20,
                where: {
                    $0.target == .ext4File && $0.engine == .threadPool && $0.caching == .buffered
                        && $0.threading == .owned
                }
            ) { subject in
                let queue = try subject.openQueue()
                let buffer = subject.buffer(8 * 4096)
                let events = try EventSet(queue.descriptor)
                // A thread is made.
                queue.read(into: buffer.slice(0, 4096), at: 0)
                guard events.wait() != nil else { throw Stuck(outstanding: 1) }
                try queue.finish()
                let noThread = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
                let flush = CallFault(
                    CTS_CALL_FDATASYNC, holdMilliseconds: Patience.holdMilliseconds)
                guard noThread.isCovered else { return }
                noThread.set()
                try flush.during {
                    let reads = {
                        for index in 0..<8 {
                            queue.read(
                                into: buffer.slice(index * 4096, 4096), at: UInt64(index * 4096))
                        }
                    }
                    if way % 2 == 0 {
                        queue.flush()
                        try eventually("the flush is under way") { flush.counts.held > 0 }
                        if way == 2 { queue.batch(reads) } else { reads() }
                    } else {
                        queue.batch {
                            queue.flush()
                            reads()
                        }
                    }
                    var done = 0
                    while done < 8 {
                        if way < 4 {
                            done += queue.poll(minimum: way < 2 ? 1 : 8 - done)
                        } else {
                            guard events.wait() != nil else {
                                throw Stuck(outstanding: queue.outstanding)
                            }
                            done += queue.poll()
                        }
                    }
                    XCTAssertEqual(flush.counts.held, 1, "way \(way)")
                    flush.release()
                    try queue.finish()
                }
            }
        }
    }

    /// In memory, where the owner copies itself: one copy that takes long, in a thread, keeps nobody after
    /// the owner has gone to sleep on the descriptor.
    func testCopiesDoNotWaitForOneThatTakesLong() throws {
        let length = 128 << 10
        let slow: UInt64 = 4 << 20
        try forEachConfiguration(
            size: 8 << 20,
            where: {
                $0.target == .tmpfsFile && $0.engine == .threadPool && $0.caching == .buffered
                    && $0.threading == .owned
            }
        ) { subject in
            let queue = try subject.openQueue()
            let buffer = subject.buffer(24 * length)
            let fault = CallFault(
                CTS_CALL_READ, holdMilliseconds: Patience.holdMilliseconds, range: slow..<slow + 1)
            guard fault.isCovered else { return }
            let events = try EventSet(queue.descriptor)
            try fault.during {
                var done = 0
                queue.batch {
                    for index in 0..<24 {
                        queue.read(
                            into: buffer.slice(index * length, length), at: index == 1 ? slow : 0)
                    }
                    done += queue.poll(minimum: 1)
                }
                while done < 23 {
                    guard events.wait() != nil else {
                        throw Stuck(outstanding: queue.outstanding)
                    }
                    done += queue.poll()
                }
                XCTAssertEqual(fault.counts.held, 1)
                fault.release()
                try queue.finish()
            }
        }
    }
}
