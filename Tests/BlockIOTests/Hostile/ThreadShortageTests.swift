import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Where the system gives a process no thread for a while (RLIMIT_NPROC): what needs one waits, is
/// not forgotten, and is done when there are threads again.
///
/// With io_uring and libaio that is a discard, with threads everything.
final class ThreadShortageTests: HostileTestCase {
    private static let size = 1 << 20

    /// The caller sleeps in `poll`.
    func testRequestsWaitWhileTheirOwnerPolls() throws { try check("poll") }

    /// The caller sleeps on the descriptor.
    func testRequestsWaitWhileTheirOwnerSleepsOnTheDescriptor() throws { try check("descriptor") }

    /// The caller closes the queue, which waits for its requests.
    func testRequestsWaitWhileTheQueueCloses() throws { try check("close") }

    private func check(_ way: String) throws {
        for engine in EngineKind.allCases {
            for threading in ["owned", "shared"] {
                let target = try orSkip(StorageTarget.make(.ext4File, size: Self.size))
                defer { target.close() }
                let child = try child(way, ["\(engine)", threading, target.pathForChildren])
                XCTAssertEqual(
                    try child.lines(), ["no thread", "waiting", "9 done"], "\(engine), \(threading)"
                )
            }
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[0]))
        let image = try BlockImage.open(
            port.arguments[2], OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = try BlockQueue(
            image, QueueOptions(threading: port.arguments[1] == "owned" ? .owned : .shared))
        try SystemCall.check(cts_become_nobody(), "giving up privileges")
        // This thread is there before, and ends the shortage a while after it has begun.
        let relief = Disturbance { round in
            usleep(20_000)
            if round == 15 { _ = cts_limit_threads(false) }
        }
        try SystemCall.check(cts_limit_threads(true), "RLIMIT_NPROC")
        if !canMakeThread() { port.say("no thread") }

        let buffer = AlignedBuffer(count: 4096)
        queue.batch {
            queue.discard(at: 0, length: 65536, userData: 0)
            for number in 1...8 {
                queue.write(
                    from: .init(buffer.bytes), at: UInt64(number * 65536), userData: UInt(number))
            }
        }
        if relief.count < 15 { port.say("waiting") }
        var ledger = Ledger(count: 9)
        switch role {
        case "poll": try queue.finish { ledger.note($0) }
        case "close": queue.close { ledger.note($0) }
        default:
            let events = try EventSet(queue.descriptor)
            while queue.outstanding > 0 {
                guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
                queue.poll { ledger.note($0) }
            }
        }
        relief.stop()
        port.say(
            ledger.isComplete && ledger.failures.isEmpty
                ? "9 done" : "failures: \(ledger.failures)")
    }

    private func canMakeThread() -> Bool {
        var thread = pthread_t()
        guard pthread_create(&thread, nil, { _ in nil }, nil) == 0 else { return false }
        pthread_join(thread, nil)
        return true
    }
}
