import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Where other processes have taken all of fs.aio-max-nr.
///
/// The limit is the system's. So a child process takes everything, again and again while others
/// give back, for a moment only, and everything comes back when the child is killed.
final class AIOExhaustionTests: HostileTestCase {
    /// In a process that may not use io_uring, where `auto` takes libaio if there are contexts.
    func testAutoSaysThatTheLimitIsReached() throws {
        try checkAuto("open", libaio: "refused \(EAGAIN), the system's ")
    }

    /// The limit is reached between the opening of the image, which took libaio, and of the queue.
    func testAnotherEngineServesAQueueForWhichNoContextIsLeft() throws {
        try checkAuto(
            "queue", libaio: "refused \(EAGAIN), it could not open a queue: the system's ")
    }

    private func checkAuto(_ role: String, libaio: String) throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        let report = try child(role, [target.pathForChildren]).lines()
        XCTAssertEqual(report.count, 3, "\(report)")
        XCTAssertTrue(report.first?.hasPrefix(libaio) ?? false, "\(report)")
        XCTAssertContains(report.first, "exhaust fs.aio-max-nr")
        XCTAssertEqual(report.dropFirst().first, "taken, then threads used")
        XCTAssertEqual(report.last, "engine threads")
    }

    func testForcedLibaioIsATypedError() throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        let before = OpenDescriptors.numbers()
        var refusal: BlockError?
        try whileExhausted {
            do {
                _ = try BlockImage.open(
                    target.path, OpenOptions(access: .readWrite, engine: .forced(.linuxAIO)))
                return false
            } catch let error as BlockError {
                refusal = error
                return true
            }
        }
        XCTAssertEqual(refusal?.code, .engineUnavailable)
        XCTAssertEqual(refusal?.errno, EAGAIN)
        XCTAssertContains(refusal?.detail, "an administrator can raise that sysctl")
        XCTAssertEqual(OpenDescriptors.numbers(), before)
        // The device is not claimed any more.
        XCTAssertNoThrow(try BlockImage.open(target.path, OpenOptions(access: .readWrite)))
    }

    func testAQueueOnAnOpenImageIsATypedErrorAndLeaksNothing() throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        let image = try BlockImage.open(
            target.path, OpenOptions(access: .readWrite, engine: .forced(.linuxAIO)))
        let before = OpenDescriptors.numbers()
        var refusal: BlockError?
        try whileExhausted {
            do {
                _ = try BlockQueue(image)
                return false
            } catch let error as BlockError {
                refusal = error
                return true
            }
        }
        XCTAssertEqual(refusal?.code, .engineUnavailable)
        XCTAssertEqual(refusal?.errno, EAGAIN)
        XCTAssertEqual(OpenDescriptors.numbers(), before)
        // The image has no queue, and takes one when there are contexts again.
        var queue: BlockQueue?
        try eventually("there are AIO contexts again") {
            queue = try? BlockQueue(image)
            return queue != nil
        }
        let buffer = AlignedBuffer(count: 4096)
        XCTAssertNoThrow(try queue?.readAndWait(into: buffer.bytes, at: 0))
    }

    /// Calls `body` while there is nothing, until it says that it found nothing: another process
    /// may have given something back just before.
    private func whileExhausted(_ body: () throws -> Bool) throws {
        let hog = try child("hog")
        defer { hog.kill() }
        // Starting the process takes longer than all the rest.
        try hog.expect("ready")
        try hog.tell("go")
        try hog.expect("exhausted")
        for _ in 0..<1000 {
            if try body() { return }
            usleep(1000)
        }
        XCTFail("there were always AIO contexts left")
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        if role == "hog" { return hog(port) }
        try Forbidden.ioURing.forbid(EPERM)
        // Another process may have given something back just before: then once more.
        for _ in 0..<1000 {
            if role == "open" { _ = cts_aio_exhaust() }
            let image = try BlockImage.open(port.arguments[0], OpenOptions(access: .readWrite))
            if role == "queue" {
                guard image.engine == .linuxAIO else {
                    throw FixtureError.failed("auto: \(image.engineReport)")
                }
                _ = cts_aio_exhaust()
            }
            let queue = try BlockQueue(image)
            guard case .refused(let reason, let errno)? = image.engineReport[.linuxAIO] else {
                continue
            }
            port.say("refused \(errno), \(reason)")
            guard case .taken? = image.engineReport[.threadPool] else {
                throw FixtureError.failed("auto: \(image.engineReport)")
            }
            let buffer = AlignedBuffer(count: 4096)
            try queue.writeAndWait(from: .init(buffer.bytes), at: 0)
            port.say("taken, then threads used")
            return port.say("engine \(image.engine)")
        }
    }

    private func hog(_ port: ChildPort) {
        port.say("ready")
        port.hear()
        _ = cts_aio_exhaust()
        port.say("exhausted")
        while cts_wait_readable(0, 1) == 0 { _ = cts_aio_exhaust() }
    }
}
