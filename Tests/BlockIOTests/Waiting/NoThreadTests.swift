import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// pthread_create(3) fails again and again: the same as ``ThreadShortageTests`` in this process,
/// where it can be counted how often it is tried.
///
/// Under a sanitizer that replaces pthread_create(3) there are threads.
final class NoThreadTests: ConformanceTestCase {
    func testEverythingIsDoneWithoutAThread() throws {
        try forEachConfiguration(size: 1 << 20, where: { $0.target == .ext4File }) { subject in
            for way in WayOfWaiting.allCases {
                let queue = try subject.openQueue()
                let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
                let work = ThreadlessWork(queue)
                try Rescue.watching(
                    outstanding: queue.outstanding, help: { cts_calls_clear() }
                ) {
                    try fault.during { try work.run(way) }
                }
                guard fault.isCovered else { continue }
                XCTAssertEqual(work.mistakes, [], "\(way)")
                XCTAssertGreaterThan(fault.counts.struck, 0, "\(way)")
                XCTAssertLessThan(fault.counts.struck, 200, "\(way)")
            }
        }
    }

    /// Threads that there are go on when no more can be made.
    func testThreadsThatThereAreServe() throws {
        try forEachConfiguration(
            size: 1 << 20,
            where: { $0.target == .ext4File && $0.engine == .threadPool }
        ) { subject in
            let buffer = subject.buffer(64 * 4096)
            var ledger = Ledger(count: 64)
            let events = try EventSet(subject.queue.descriptor)
            subject.queue.read(into: buffer.slice(0, 4096), at: 0)
            guard events.wait() != nil else { throw Stuck(outstanding: 1) }
            try subject.queue.finish()
            let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
            try Rescue.watching(help: { cts_calls_clear() }) {
                try fault.during {
                    subject.queue.batch {
                        for index in 0..<64 {
                            subject.queue.read(
                                into: buffer.slice(index * 4096, 4096),
                                at: UInt64(index * 4096), userData: UInt(index))
                        }
                    }
                    while subject.queue.outstanding > 0 {
                        guard events.wait() != nil else {
                            throw Stuck(outstanding: subject.queue.outstanding)
                        }
                        subject.queue.poll { ledger.note($0) }
                    }
                }
            }
            ledger.assertAllSucceeded()
        }
    }

    /// A system that has just refused a thread is not asked at each request.
    func testThreadsAreAskedForNowAndThen() throws {
        try forEachConfiguration(
            size: 1 << 20,
            where: { $0.target == .ext4File && $0.engine == .threadPool }
        ) { subject in
            let queue = subject.queue
            let buffer = subject.buffer(64 * 4096)
            let events = try EventSet(queue.descriptor)
            queue.read(into: buffer.slice(0, 4096), at: 0)
            guard events.wait() != nil else { throw Stuck(outstanding: 1) }
            try queue.finish()
            let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
            guard fault.isCovered else { return }
            var ledger = Ledger(count: 1000)
            let start = ContinuousClock.now
            try Rescue.watching(help: { cts_calls_clear() }) {
                try fault.during {
                    for index in 0..<1000 {
                        while queue.outstanding == 64 { try queue.pollForOne { ledger.note($0) } }
                        let place = index % 64 * 4096
                        queue.read(
                            into: buffer.slice(place, 4096), at: UInt64(place),
                            userData: UInt(index))
                    }
                    try queue.finish { ledger.note($0) }
                }
            }
            let span = ContinuousClock.now - start
            ledger.assertAllSucceeded()
            XCTAssertLessThanOrEqual(
                Double(fault.counts.struck), 2 + span / .milliseconds(10), "in \(span)")
        }
    }

    /// The owner does one call at a time and comes back to its event loop in between: there it does
    /// not sleep as long as there is another call to make.
    func testTheDescriptorIsReadableWhileThereIsWorkToDo() throws {
        let discards = 200
        try forEachConfiguration(size: 1 << 20, where: { $0.target == .ext4File }) { subject in
            let queue = try subject.openQueue()
            let events = try EventSet(queue.descriptor)
            let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
            guard fault.isCovered else { return }
            var ledger = Ledger(count: discards)
            var sleeps = 0
            try fault.during {
                for index in 0..<discards {
                    queue.discard(
                        at: UInt64(index * 4096), length: 4096, userData: UInt(index))
                }
                while queue.outstanding > 0 {
                    if !events.isReadable {
                        sleeps += 1
                        guard events.wait() != nil else {
                            throw Stuck(outstanding: queue.outstanding)
                        }
                    }
                    queue.poll { ledger.note($0) }
                }
            }
            ledger.assertAllSucceeded()
            XCTAssertLessThan(sleeps, 20)
        }
    }

    /// One that comes late finds the discard before it under way or not, and does not wait for it.
    func testAReadDoesNotWaitForADiscardMadeBefore() throws {
        try forEachConfiguration(
            size: 1 << 20,
            where: { $0.target == .ext4File && $0.engine != .threadPool }
        ) { subject in
            let queue = subject.queue
            let buffer = subject.buffer(4096)
            let fault = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
            var order: [UInt] = []
            var isDiscardEarly = false
            try Rescue.watching(help: { cts_calls_clear() }) {
                fault.during {
                    let start = ContinuousClock.now
                    queue.discard(at: 0, length: 65536, userData: 1)
                    queue.read(into: buffer.bytes, at: 1 << 19, userData: 2)
                    while queue.outstanding > 0 {
                        queue.poll(minimum: 1) {
                            order.append($0.userData)
                            if $0.userData == 1 {
                                isDiscardEarly =
                                    ContinuousClock.now - start < ThreadlessWork.patience
                            }
                        }
                    }
                }
            }
            if fault.isCovered && isDiscardEarly { XCTAssertEqual(order, [2, 1]) }
        }
    }
}
