import BlockIO
import CTestSupport
import Glibc
import XCTest
@testable import TestSupport

/// A read that the kernel itself holds, with nothing between the queue and its engine.
final class HeldReadTests: HostileTestCase {
    /// The wait is the call that submits the read.
    func testASignalEndsAWaitThatSubmits() throws {
        try forEachQueue { queue, buffer in
            try Self.assertSignalEnds { () -> Int in
                queue.batch {
                    queue.read(
                        into: buffer.slice(0, 4096), at: UInt64(HeldReadDevice.held), userData: 1)
                    return queue.poll(minimum: 1)
                }
            }
        }
    }

    /// One of the two has completed.
    func testASignalEndsAWaitForSeveral() throws {
        try forEachQueue { queue, buffer in
            queue.read(into: buffer.slice(0, 4096), at: UInt64(HeldReadDevice.held), userData: 1)
            queue.read(into: buffer.slice(4096, 4096), at: 0, userData: 2)
            try Self.assertSignalEnds { queue.poll(minimum: 2) }
        }
    }

    /// A read that completes while another is submitted is not one that was carried out by its own submission.
    func testACompletionDuringAnotherSubmissionIsNotInline() throws {
        try forEachQueue { queue, buffer in
            guard queue.image.engine == .linuxAIO else { return }
            let submission = CallFault(CTS_CALL_AIO_SUBMIT, holdMilliseconds: 100)
            queue.read(into: buffer.slice(4096, 4096), at: 0)
            let before = queue.statistics.inlineCompletions
            submission.during {
                queue.read(
                    into: buffer.slice(0, 4096), at: UInt64(HeldReadDevice.held), userData: 1)
            }
            XCTAssertEqual(queue.statistics.inlineCompletions, before)
            try queue.pollForOne { XCTAssertTrue($0.isSuccess) }
        }
    }

    private func forEachQueue(_ check: (BlockQueue, AlignedBuffer) throws -> Void) throws {
        for engine in [EngineKind.ioURing, .linuxAIO] {
            for hasDescriptor in [true, false] {
                let device = try orSkip(
                    HeldReadDevice { try child("serve", $0, input: $1) })
                let image = try BlockImage.open(
                    device.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
                let queue = try BlockQueue(image, QueueOptions(hasDescriptor: hasDescriptor))
                let buffer = AlignedBuffer(count: 8192)
                try device.hold()
                let result = Result { try check(queue, buffer) }
                try device.release()
                try queue.finish { XCTAssertTrue($0.isSuccess) }
                try result.get()
                withExtendedLifetime(device) {}
            }
        }
    }

    /// One signal, which comes while the thread sleeps in the kernel's wait for completions.
    private static func assertSignalEnds(_ wait: () -> Int) throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        var before = sigaction()
        try SystemCall.check(SystemCall.result(sigaction(SIGUSR1, &action, &before)), "sigaction")
        defer { sigaction(SIGUSR1, &before, nil) }
        let victim = pthread_self()
        let sender = TestThread {
            do {
                try eventually("the owner waits for completions", Self.isMainThreadInAWait)
                // Another request may yet complete.
                usleep(50_000)
                pthread_kill(victim, SIGUSR1)
            } catch {
                XCTFail("\(error)")
            }
        }
        defer { sender.join() }
        let delivered = try Rescue.watching { wait() }
        XCTAssertLessThan(delivered, 2)
    }

    /// Tests run on the main thread.
    private static func isMainThreadInAWait() -> Bool {
        cts_waits_for_completions(getpid())
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        try FuseMount.serve(port)
    }
}
