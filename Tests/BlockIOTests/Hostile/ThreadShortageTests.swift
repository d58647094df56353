import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Where the system gives a process no thread, and never will (RLIMIT_NPROC): whoever polls does
/// the work, and a request that needs no thread does not wait for one that does.
///
/// With io_uring and libaio a discard needs one, with threads everything.
final class ThreadShortageTests: HostileTestCase {
    private static let size = 1 << 20

    func testTheOwnerPolls() throws { try check(.poll) }
    func testTheOwnerPollsWithALimit() throws { try check(.pollWithLimit) }
    func testTheOwnerPollsForAll() throws { try check(.pollForAll) }
    func testTheOwnerSleepsOnTheDescriptor() throws { try check(.descriptor) }
    func testTheQueueCloses() throws { try check(.close) }
    func testTheOwnerWaitsForOneRequest() throws { try check(.synchronous) }

    private func check(_ way: WayOfWaiting) throws {
        for engine in EngineKind.allCases {
            for threading in ["owned", "shared"] {
                let target = try orSkip(StorageTarget.make(.ext4File, size: Self.size))
                defer { target.close() }
                let child = try child(
                    way.rawValue, ["\(engine)", threading, target.pathForChildren])
                let lines = try child.lines()
                XCTAssertEqual(lines, ["no thread", "done"], "\(engine), \(threading)")
                // One that hangs takes ten seconds to be helped.
                if lines != ["no thread", "done"] { return }
            }
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[0]))
        let way = try XCTUnwrap(WayOfWaiting(rawValue: role))
        let image = try BlockImage.open(
            port.arguments[2], OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = try BlockQueue(
            image, QueueOptions(threading: port.arguments[1] == "owned" ? .owned : .shared))
        let work = ThreadlessWork(queue)
        try SystemCall.check(cts_become_nobody(), "giving up privileges")
        // The thread that helps is there before the shortage.
        do {
            try Rescue.watching(help: { _ = cts_limit_threads(false) }) {
                try SystemCall.check(cts_limit_threads(true), "RLIMIT_NPROC")
                if !canMakeThread() { port.say("no thread") }
                try work.run(way)
            }
        } catch is Stuck {
            port.say("did not end")
        }
        for mistake in work.mistakes { port.say(mistake) }
        port.say("done")
    }

    private func canMakeThread() -> Bool {
        var thread = pthread_t()
        guard pthread_create(&thread, nil, { _ in nil }, nil) == 0 else { return false }
        pthread_join(thread, nil)
        return true
    }
}
