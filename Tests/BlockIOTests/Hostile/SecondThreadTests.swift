import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// A queue with an owner that a second thread uses: on every engine the program stops, and says
/// why.
final class SecondThreadTests: HostileTestCase {
    private static let size = 1 << 20

    /// What the second thread does.
    private enum Use: String, CaseIterable {
        case read, poll, pollWithLimit, drain, synchronousRead, flush, batch
    }

    func testTheProgramStopsWithAMessage() throws {
        for engine in EngineKind.allCases {
            for use in Use.allCases {
                let target = try orSkip(StorageTarget.make(.ext4File, size: Self.size))
                defer { target.close() }
                let child = try child(
                    use.rawValue, ["\(engine)", target.pathForChildren],
                    environment: ["SWIFT_BACKTRACE": "enable=no"])
                let output = try child.remainder()
                let status = child.wait()
                let what = "\(engine), \(use): status \(status)"
                XCTAssertTrue([256 + SIGILL, 256 + SIGTRAP, 256 + SIGABRT].contains(status), what)
                XCTAssertContains(output, "was used by a second thread")
                XCTAssertFalse(output.contains("went on"), what)
                // One that loops takes seconds to be ended.
                if status == 256 + SIGALRM { return }
            }
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[0]))
        let use = try XCTUnwrap(Use(rawValue: role))
        try port.sendErrors()
        let image = try BlockImage.open(
            port.arguments[1], OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = Shared(try BlockQueue(image))
        try queue.value.readAndWait(into: queue.buffer.bytes, at: 0)
        // Something to wait for.
        queue.value.read(into: queue.buffer.bytes, at: 0)
        alarm(10)
        let other = Disturbance { round in
            if round == 0 {
                queue.use(use.rawValue)
                port.say("went on")
            }
            usleep(1_000)
        }
        while other.count == 0 { usleep(1_000) }
        other.stop()
        _exit(0)
    }

    /// What two threads have, and must not.
    private final class Shared: @unchecked Sendable {
        let value: BlockQueue
        let buffer = AlignedBuffer(count: 4096)

        init(_ value: BlockQueue) { self.value = value }

        func use(_ name: String) {
            switch Use(rawValue: name) {
            case .read: value.read(into: buffer.bytes, at: 0)
            case .poll: value.poll()
            case .pollWithLimit: value.poll(minimum: 1, timeout: .milliseconds(100))
            case .drain: value.drain()
            case .synchronousRead: _ = try? value.readAndWait(into: buffer.bytes, at: 0)
            case .flush: value.flush()
            case .batch: value.batch { _ = value.read(into: buffer.bytes, at: 0) }
            case nil: break
            }
        }
    }
}
