import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// A seccomp filter that lets rings be set up and forbids io_uring_enter(2).
final class ForbiddenSubmissionTests: HostileTestCase {
    private static let size = 1 << 20
    private static let requests = 5

    /// The engine is refused when the image is opened, and another is taken.
    func testForbiddenBeforeTheImageIsOpened() throws {
        for error in [EPERM, ENOSYS, EACCES] {
            let target = try orSkip(StorageTarget.make(.ext4File, size: Self.size))
            defer { target.close() }
            let child = try child("open", ["\(error)", target.pathForChildren])
            let lines = try child.lines()
            XCTAssertEqual(
                lines, ["forced: engineUnavailable \(error)", "auto: libaio", "read"])
        }
    }

    /// Requests fail with the error, each once, and nothing is tried for ever.
    func testForbiddenWhileAQueueIsInUse() throws {
        for threading in ["owned", "shared"] {
            for way in WayOfWaiting.allCases {
                let target = try orSkip(StorageTarget.make(.ext4File, size: Self.size))
                defer { target.close() }
                let child = try child(
                    way.rawValue, ["\(EPERM)", target.pathForChildren, threading])
                let lines = try child.lines()
                let expected =
                    [String](repeating: "system \(EPERM)", count: Self.requests) + ["closed"]
                XCTAssertEqual(lines, expected, "\(threading), \(way)")
                if lines.contains("hangs") { return }
            }
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let error = CInt(port.arguments[0])!
        let path = port.arguments[1]
        if role == "open" { return try open(path, error, port) }
        let way = try XCTUnwrap(WayOfWaiting(rawValue: role))
        let image = try BlockImage.open(
            path, OpenOptions(access: .readWrite, engine: .forced(.ioURing)))
        let queue = try BlockQueue(
            image, QueueOptions(threading: port.arguments[2] == "owned" ? .owned : .shared))
        let buffer = AlignedBuffer(count: Self.requests * 4096)
        let earlier = queue.read(into: buffer.bytes, at: 0)
        queue.drain()
        try Rescue.watching(help: {
            port.say("hangs")
            _exit(0)
        }) {
            try SystemCall.check(cts_forbid(CTS_FORBID_IO_URING_ENTER, error), "seccomp")
            try use(queue, buffer, way, port)
            if !queue.isClosed {
                // A call that came before the wait ends it.
                queue.remote.cancel(earlier)
                queue.poll(minimum: 1)
            }
            queue.close()
        }
        port.say("closed")
    }

    private func use(
        _ queue: BlockQueue, _ buffer: AlignedBuffer, _ way: WayOfWaiting, _ port: ChildPort
    ) throws {
        func note(_ completion: BlockCompletion) {
            port.say("\(completion.failure.map { "\($0)" } ?? "success") \(completion.errno)")
        }
        let asynchronous = way == .synchronous ? Self.requests - 1 : Self.requests
        let events = try EventSet(queue.descriptor)
        queue.batch {
            for index in 0..<asynchronous {
                let slice = buffer.slice(index * 4096, 4096)
                if index == 2 {
                    queue.flush()
                } else if index == 3 {
                    queue.write(from: .init(slice), at: UInt64(index * 4096))
                } else {
                    queue.read(into: slice, at: UInt64(index * 4096))
                }
            }
        }
        var polls = 0
        switch way {
        case .close: queue.close(note)
        case .synchronous:
            do {
                try queue.readAndWait(into: buffer.slice(0, 4096), at: 0)
                port.say("success")
            } catch {
                port.say("\(error.code) \(error.errno)")
            }
            queue.drain(note)
        case .descriptor:
            while queue.outstanding > 0 {
                guard events.wait() != nil else {
                    throw Stuck(outstanding: queue.outstanding)
                }
                polls += 1
                queue.poll(note)
            }
        case .poll, .pollWithLimit, .pollForAll:
            while queue.outstanding > 0 {
                polls += 1
                queue.poll(
                    minimum: way == .pollForAll ? queue.outstanding : 1,
                    timeout: way == .pollWithLimit ? Patience.limit : nil, note)
            }
        }
        if polls > 20 { port.say("\(polls) polls") }
        if !queue.isClosed { lookForSpinning(queue, events, port) }
    }

    /// With nothing outstanding, an owner that sleeps on the descriptor is hardly ever woken.
    private func lookForSpinning(_ queue: BlockQueue, _ events: EventSet, _ port: ChildPort) {
        let end = ContinuousClock.now + .milliseconds(100)
        var wakes = 0
        while ContinuousClock.now < end, events.wait(milliseconds: 100) != nil {
            wakes += 1
            queue.poll()
        }
        if wakes > 200 { port.say("\(wakes) wakes for nothing") }
    }

    private func open(_ path: String, _ error: CInt, _ port: ChildPort) throws {
        try SystemCall.check(cts_forbid(CTS_FORBID_IO_URING_ENTER, error), "seccomp")
        do {
            _ = try BlockImage.open(
                path, OpenOptions(access: .readWrite, engine: .forced(.ioURing)))
            port.say("forced: opened")
        } catch {
            port.say("forced: \(error.code) \(error.errno)")
        }
        let image = try BlockImage.open(path, OpenOptions(access: .readWrite))
        port.say("auto: \(image.engine)")
        if image.engine == .ioURing { return }
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 4096)
        try queue.readAndWait(into: buffer.bytes, at: 0)
        port.say("read")
    }
}
