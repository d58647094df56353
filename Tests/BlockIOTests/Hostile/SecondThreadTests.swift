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
        case read, poll, pollWithLimit, drain, synchronousRead, flush, batch, emptyRead, close
    }

    /// Where the owner is when the other thread comes.
    private enum Owner: String, CaseIterable {
        /// Alive, with a request under way.
        case busy
        /// A thread that has ended. The next one that is made gets its stack, and with it the
        /// address that pthread_self(3) returns.
        case gone
    }

    func testTheProgramStopsWithAMessage() throws { try check(.busy) }

    func testTheProgramStopsAlsoWhenTheOwnerHasEnded() throws { try check(.gone) }

    private func check(_ owner: Owner) throws {
        for engine in EngineKind.allCases {
            for use in Use.allCases {
                // With nothing under way it does nothing.
                if owner == .gone && use == .drain { continue }
                let target = try orSkip(StorageTarget.make(.ext4File, size: Self.size))
                defer { target.close() }
                let child = try child(
                    use.rawValue, ["\(engine)", target.pathForChildren, owner.rawValue],
                    environment: ["SWIFT_BACKTRACE": "enable=no"])
                let output = try child.remainder()
                let status = child.wait()
                let what = "\(engine), \(use), \(owner): status \(status)"
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
        alarm(10)
        switch try XCTUnwrap(Owner(rawValue: port.arguments[2])) {
        case .busy:
            queue.own()
            // Something to wait for.
            queue.value.read(into: queue.buffer.bytes, at: 0)
        case .gone:
            onThread { queue.own() }
        }
        onThread {
            queue.use(use.rawValue)
            port.say("went on")
        }
        _exit(0)
    }

    /// Runs something on a new thread, and waits for its end.
    private func onThread(_ body: @escaping @Sendable () -> Void) {
        final class Start {
            let body: @Sendable () -> Void
            init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Start>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Start(body)).toOpaque())
        precondition(error == 0, "pthread_create: \(error)")
        pthread_join(thread, nil)
    }

    /// What two threads have, and must not.
    private final class Shared: @unchecked Sendable {
        let value: BlockQueue
        let buffer = AlignedBuffer(count: 4096)

        init(_ value: BlockQueue) { self.value = value }

        /// The first use, by its owner.
        func own() { _ = try! value.readAndWait(into: buffer.bytes, at: 0) }

        func use(_ name: String) {
            switch Use(rawValue: name) {
            case .read: value.read(into: buffer.bytes, at: 0)
            case .poll: value.poll()
            case .pollWithLimit: value.poll(minimum: 1, timeout: .milliseconds(100))
            case .drain: value.drain()
            case .synchronousRead: _ = try? value.readAndWait(into: buffer.bytes, at: 0)
            case .flush: value.flush()
            case .emptyRead: value.read(into: buffer.slice(0, 0), at: 0)
            case .close: value.close()
            case .batch: value.batch { _ = value.read(into: buffer.bytes, at: 0) }
            case nil: break
            }
        }
    }
}
