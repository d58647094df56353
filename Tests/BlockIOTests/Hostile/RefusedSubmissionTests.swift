import BlockIO
import XCTest
@testable import TestSupport

/// A seccomp filter that refuses io_uring_enter(2) only where it submits, while a read is in
/// flight: what became of the read can still be learnt, and is.
final class RefusedSubmissionTests: HostileTestCase {
    /// The read succeeds, what is made after it fails with the error, for good.
    func testForGood() throws { try checkForGood(refused: 1) }

    /// The same for several, one after the other.
    func testSeveralForGood() throws { try checkForGood(refused: 3) }

    private func checkForGood(refused count: Int) throws {
        let refused = (0..<count).map { "\(2 + $0): system \(EPERM)" }
        for threading in ["owned", "shared"] {
            for way in WayOfWaiting.allCases {
                let lines = try linesOfChild(way, threading, EPERM, refused: count)
                XCTAssertEqual(
                    lines.sorted(), ["1: success"] + refused + ["closed"], "\(threading), \(way)")
                if lines.contains("hangs") { return }
            }
        }
    }

    /// An error that may pass: a helper thread does what is made after the read, perhaps before the read ends.
    /// The read does not wait.
    func testForATime() throws {
        for threading in ["owned", "shared"] {
            for way in [WayOfWaiting.poll, .pollWithLimit, .descriptor] {
                let lines = try linesOfChild(way, threading, EAGAIN, refused: 1)
                XCTAssertEqual(
                    lines.filter { $0 != "2: success" }, ["1: success"], "\(threading), \(way)")
                if lines.contains("hangs") { return }
            }
        }
    }

    private func linesOfChild(
        _ way: WayOfWaiting, _ threading: String, _ error: CInt, refused count: Int
    ) throws -> [String] {
        let target = try orSkip(StorageTarget.make(.ext4File, size: 1 << 20))
        defer { target.close() }
        return try child(
            way.rawValue, [target.pathForChildren, threading, "\(error)", "\(count)"],
            environment: ["SWIFT_BACKTRACE": "enable=no"]
        ).lines()
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let way = try XCTUnwrap(WayOfWaiting(rawValue: role))
        let error = CInt(port.arguments[2])!
        let image = try BlockImage.open(
            port.arguments[0], OpenOptions(access: .readOnly, engine: .forced(.ioURing)))
        let queue = try BlockQueue(
            image, QueueOptions(threading: port.arguments[1] == "owned" ? .owned : .shared))
        let count = Int(port.arguments[3])!
        let buffer = AlignedBuffer(count: (count + 1) * 4096)
        let events = try EventSet(queue.descriptor)
        try queue.readAndWait(into: buffer.slice(0, 4096), at: 0)
        try Rescue.watching(help: {
            port.say("hangs")
            _exit(0)
        }) {
            queue.read(into: buffer.slice(0, 4096), at: 8192, userData: 1)
            try Forbidden.ioURingSubmission.forbid(error)
            for index in 1...count {
                queue.read(
                    into: buffer.slice(index * 4096, 4096), at: 4096, userData: UInt(index + 1))
            }
            try wait(way, queue, events, port, buffer, isLasting: error == EPERM)
        }
        // A shortage that lasts is waited for as long as it does.
        if error == EAGAIN { _exit(0) }
        queue.close()
        port.say("closed")
    }

    private func wait(
        _ way: WayOfWaiting, _ queue: BlockQueue, _ events: EventSet, _ port: ChildPort,
        _ buffer: AlignedBuffer, isLasting: Bool
    ) throws {
        var isReadDelivered = false
        func note(_ completion: BlockCompletion) {
            let outcome =
                completion.failure.map { "\($0) \(completion.errno)" } ?? "success"
            port.say("\(completion.userData): \(outcome)")
            if completion.userData == 1 { isReadDelivered = true }
        }
        func wait(_ poll: () throws -> Void) rethrows {
            while isLasting ? queue.outstanding > 0 : !isReadDelivered { try poll() }
        }
        switch way {
        case .poll: wait { queue.poll(minimum: 1, note) }
        case .pollWithLimit: wait { queue.poll(minimum: 1, timeout: Patience.limit, note) }
        case .pollForAll: wait { queue.poll(minimum: queue.outstanding, note) }
        case .descriptor:
            try wait {
                guard events.wait() != nil else {
                    throw Stuck(outstanding: queue.outstanding)
                }
                queue.poll(note)
            }
        case .close: queue.close(note)
        case .synchronous:
            XCTAssertThrowsError(try queue.readAndWait(into: buffer.slice(4096, 4096), at: 0))
            queue.drain(note)
        }
    }
}
