import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// The kernel takes no request for the moment (EAGAIN, ENOMEM, EBUSY), or the system gives no
/// thread: the requests are made a little later without anybody's help, however their owner waits.
final class SubmissionShortageTests: ConformanceTestCase {
    private static let size = 1 << 16

    /// How the owner waits.
    private enum Wait: CaseIterable {
        case poll, pollWithLimit, pollForAll, descriptor, drain, close, synchronous
    }

    /// When a batch is submitted: at its end, or by a poll inside it.
    private enum Submission: CaseIterable {
        case byTheEnd, byALook, byAWait
    }

    func testOneRequestAtFirstUse() throws {
        try check(count: 1, isWarm: false)
    }

    func testOneRequestOfAQueueInUse() throws {
        try check(count: 1, isWarm: true)
    }

    func testManyRequests() throws {
        try check(count: 20, isWarm: true)
    }

    /// The system gives no thread either, so the owner makes the calls itself. It is brought back for each.
    func testManyRequestsWithoutAThread() throws {
        let threads = CallFault(CTS_CALL_CREATE_THREAD, error: EAGAIN)
        guard threads.isCovered else { return }
        try forEachConfiguration(
            size: Self.size, where: { $0.target == .ext4File && $0.engine != .threadPool }
        ) { subject in
            for submission in Submission.allCases {
                for wait in Wait.allCases {
                    let fault = CallFault.submission(
                        of: subject.image.engine, error: EAGAIN, count: 3)
                    do {
                        try threads.during {
                            try self.run(
                                subject, fault, wait, count: 20, isWarm: true, submission)
                        }
                    } catch let stuck as Stuck {
                        XCTFail("\(wait), submitted \(submission): \(stuck)")
                        throw stuck
                    }
                }
            }
        }
    }

    /// io_submit(2) takes fewer than it is given.
    func testPartsOfABatch() throws {
        for limit: Int64 in [1, 3] {
            try forEachConfiguration(size: Self.size, where: { $0.engine == .linuxAIO }) {
                subject in
                let fault = CallFault(CTS_CALL_AIO_SUBMIT, limit: limit)
                try self.run(subject, fault, .descriptor, count: 20, isWarm: true)
                try self.run(subject, fault, .poll, count: 20, isWarm: true)
            }
        }
    }

    /// One that lasts a fifth of a second: the owner is not woken all the time.
    func testAShortageThatLastsIsNotSpunUpon() throws {
        try forEachConfiguration(size: Self.size, where: { $0.target == .ext4File }) { subject in
            let queue = try subject.openQueue()
            let buffer = subject.buffer(8 * subject.block)
            try queue.readAndWait(into: buffer.slice(0, subject.block), at: 0)
            let events = try EventSet(queue.descriptor)
            let fault = CallFault.submission(of: subject.image.engine, error: EAGAIN)
            var polls = 0
            let end = Disturbance { round in
                usleep(10_000)
                if round == 20 { cts_calls_clear() }
            }
            defer { end.stop() }
            try Rescue.watching(outstanding: queue.outstanding) {
                try fault.during {
                    queue.batch {
                        for index in 0..<8 {
                            queue.read(
                                into: buffer.slice(index * subject.block, subject.block), at: 0)
                        }
                    }
                    while queue.outstanding > 0 {
                        guard events.wait() != nil else {
                            throw Stuck(outstanding: queue.outstanding)
                        }
                        queue.poll { XCTAssertTrue($0.isSuccess) }
                        polls += 1
                    }
                }
            }
            XCTAssertLessThan(polls, 2_000)
            XCTAssertLessThan(fault.counts.calls, 4_000)
        }
    }

    private func check(count: Int, isWarm: Bool) throws {
        for (error, times): (CInt, Int64) in [(EAGAIN, 1), (ENOMEM, 1), (EAGAIN, 7), (EBUSY, 2)] {
            try forEachConfiguration(
                size: Self.size,
                where: {
                    $0.target == .ext4File && Self.errors(of: $0.engine).contains(error)
                }
            ) { subject in
                for wait in Wait.allCases {
                    let fault = CallFault.submission(
                        of: subject.image.engine, error: error, count: times)
                    do {
                        try self.run(subject, fault, wait, count: count, isWarm: isWarm)
                    } catch let stuck as Stuck {
                        XCTFail("\(wait) after errno \(error) \(times) times: \(stuck)")
                        throw stuck
                    }
                }
            }
        }
    }

    /// What the calls fail with where resources are short: see io_uring_enter(2), io_submit(2),
    /// which may also be out of memory for a list, and pthread_create(3).
    private static func errors(of engine: EngineKind) -> Set<CInt> {
        switch engine {
        case .ioURing: [EAGAIN, ENOMEM, EBUSY]
        case .linuxAIO: [EAGAIN, ENOMEM]
        case .threadPool: [EAGAIN]
        default: preconditionFailure("no submission of \(engine) is known")
        }
    }

    private func run(
        _ subject: Subject, _ fault: CallFault, _ wait: Wait, count: Int, isWarm: Bool,
        _ submission: Submission = .byTheEnd
    ) throws {
        let queue = try subject.openQueue()
        let block = subject.block
        let buffer = subject.buffer(count * block)
        if isWarm { try queue.readAndWait(into: buffer.slice(0, block), at: 0) }
        var ledger = Ledger(count: count)
        let events = try EventSet(queue.descriptor)
        try fault.during {
            try Rescue.watching(outstanding: queue.outstanding) {
                queue.batch {
                    for index in 0..<count {
                        queue.read(
                            into: buffer.slice(index * block, block),
                            at: UInt64(index % 8 * block), userData: UInt(index))
                    }
                    switch submission {
                    case .byTheEnd: break
                    case .byALook: queue.poll { ledger.note($0) }
                    case .byAWait: queue.poll(minimum: 1) { ledger.note($0) }
                    }
                }
                try collect(queue, events, wait, buffer.slice(0, block)) { ledger.note($0) }
            }
        }
        ledger.assertAllSucceeded()
    }

    private func collect(
        _ queue: BlockQueue, _ events: EventSet, _ wait: Wait,
        _ spare: UnsafeMutableRawBufferPointer, _ note: (BlockCompletion) -> Void
    ) throws {
        switch wait {
        case .poll:
            while queue.outstanding > 0 { queue.poll(minimum: 1, note) }
        case .pollWithLimit:
            while queue.outstanding > 0 { queue.poll(minimum: 1, timeout: Patience.limit, note) }
        case .pollForAll:
            while queue.outstanding > 0 { queue.poll(minimum: queue.outstanding, note) }
        case .descriptor:
            while queue.outstanding > 0 {
                guard events.wait() != nil else {
                    throw Stuck(outstanding: queue.outstanding)
                }
                queue.poll(note)
            }
        case .drain: queue.drain(note)
        case .close: queue.close(note)
        case .synchronous:
            try queue.readAndWait(into: spare, at: 0)
            queue.drain(note)
        }
    }
}
