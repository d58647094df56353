import BlockIO
import Dispatch
import XCTest
@testable import TestSupport

/// With `auto` the engine that was taken when the image was opened may fail when the queue is: the next
/// suitable one serves then, and the image says so.
final class EngineReplacementTests: HostileTestCase {
    func testLibaioServesWhenARingIsRefused() throws {
        let said = try report(.loop512, forbidding: [(.ioURing, EPERM)])
        XCTAssertEqual(said.prefix(2), ["opened with io_uring", "serves with libaio"])
        assert(
            said.dropFirst(2),
            [
                (
                    "io_uring refused \(EPERM): it could not open a queue: ",
                    "io_uring_setup(2) failed"
                ),
                ("libaio taken: ", "it serves because io_uring could not open a queue"),
                ("threads passed over: ", "it was not tried"),
            ])
    }

    func testThreadsServeWhenBothAreRefused() throws {
        let said = try report(.loop512, forbidding: [(.ioURing, ENOMEM), (.linuxAIO, EAGAIN)])
        XCTAssertEqual(said.prefix(2), ["opened with io_uring", "serves with threads"])
        assert(
            said.dropFirst(2),
            [
                ("io_uring refused \(ENOMEM): it could not open a queue: ", "no memory"),
                ("libaio refused \(EAGAIN): ", "fs.aio-max-nr"),
                ("threads taken: ", "it serves because io_uring could not open a queue"),
            ])
    }

    /// libaio does not serve buffered images, nor files with holes.
    func testAnUnsuitableEngineIsNotTaken() throws {
        let libaio = [
            "buffered": ("libaio refused 0: ", "blocks in io_submit(2)"),
            "holes": ("libaio passed over: ", "the file has holes"),
        ]
        for (way, outcome) in libaio {
            let said = try report(.ext4File, way, forbidding: [(.ioURing, EPERM)])
            XCTAssertEqual(said.prefix(2), ["opened with io_uring", "serves with threads"])
            assert(
                said.dropFirst(2),
                [
                    ("io_uring refused \(EPERM): it could not open a queue: ", "seccomp"), outcome,
                    ("threads taken: ", "it serves because io_uring could not open a queue"),
                ])
        }
    }

    func testAForcedEngineIsNotReplaced() throws {
        XCTAssertEqual(
            try report(.loop512, "forced", forbidding: [(.ioURing, EPERM)]),
            ["opened with io_uring", "engineUnavailable \(EPERM)", "io_uring taken: as asked"])
    }

    /// Where a queue is open the engine is decided.
    func testAnEngineThatHasServedIsNotReplaced() throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        let said = try child("second", [target.pathForChildren]).lines()
        XCTAssertEqual(
            said.prefix(3),
            ["serves with io_uring", "engineUnavailable \(EPERM)", "still io_uring"])
    }

    /// With no descriptor at all, with one, and so on.
    func testDescriptorShortage() throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        var said = try child("descriptors", [target.pathForChildren]).lines()
        XCTAssertEqual(said.popLast(), "io_uring", "\(said)")
        XCTAssertEqual(
            said.first, "engineUnavailable \(EMFILE), 0 leaked, io_uring after it", "\(said)")
        let replaced = said.filter { $0.hasSuffix(" for io_uring, refused \(EMFILE)") }
        XCTAssertFalse(replaced.isEmpty, "\(said)")
        XCTAssertEqual(Set(said).subtracting(replaced).count, 1, "\(said)")
    }

    /// Threads that open queues on an image at once get the engine that the image then has.
    func testQueuesThatOpenAtOnceAgree() throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        XCTAssertEqual(try child("together", [target.pathForChildren]).lines(), ["8 with libaio"])
    }

    /// What a child says that opens an image and is then forbidden what its engine needs.
    private func report(
        _ kind: StorageTarget.Kind, _ way: String = "direct",
        forbidding forbidden: [(Forbidden, CInt)]
    ) throws -> [String] {
        let target = try orSkip(StorageTarget.make(kind, size: 1 << 20))
        defer { target.close() }
        if way == "holes" {
            for size in [0, 1 << 20] {
                try SystemCall.check(SystemCall.result(truncate(target.path, size)), "truncate")
            }
        }
        let calls = forbidden.map { "\($0.0.rawValue)=\($0.1)" }
        return try child("report", [target.pathForChildren, way] + calls).lines()
    }

    /// Asserts for each line how it begins and what it contains.
    private func assert(
        _ lines: ArraySlice<String>, _ expected: [(start: String, part: String)], line: UInt = #line
    ) {
        XCTAssertEqual(lines.count, expected.count, "\(lines)", line: line)
        for (said, expected) in zip(lines, expected) {
            XCTAssertTrue(said.hasPrefix(expected.start), said, line: line)
            XCTAssertContains(said, expected.part, line: line)
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let path = port.arguments[0]
        switch role {
        case "report": try report(path, port)
        case "second": try openTwo(path, port)
        case "descriptors": try runOutOfDescriptors(path, port)
        default: try openTogether(path, port)
        }
    }

    private func report(_ path: String, _ port: ChildPort) throws {
        let isBuffered = port.arguments[1] == "buffered"
        let isForced = port.arguments[1] == "forced"
        let image = try BlockImage.open(
            path,
            OpenOptions(
                access: .readWrite, caching: isBuffered ? .buffered : .direct,
                engine: isForced ? .forced(.ioURing) : .auto))
        port.say("opened with \(image.engine)")
        for argument in port.arguments.dropFirst(2) {
            let parts = argument.split(separator: "=")
            try XCTUnwrap(Forbidden(rawValue: String(parts[0])))
                .forbid(try XCTUnwrap(CInt(parts[1])))
        }
        try serve(image, port)
        for entry in image.engineReport.entries {
            switch entry.outcome {
            case .taken(let why): port.say("\(entry.engine) taken: \(why)")
            case .passedOver(let why): port.say("\(entry.engine) passed over: \(why)")
            case .refused(let why, let errno):
                port.say("\(entry.engine) refused \(errno): \(why)")
            }
        }
    }

    /// Opens a queue and uses it, or says why it cannot be opened.
    @discardableResult
    private func serve(_ image: BlockImage, _ port: ChildPort) throws -> BlockQueue? {
        do throws(BlockError) {
            let queue = try BlockQueue(image)
            let buffer = AlignedBuffer(count: 4096)
            try queue.readAndWait(into: buffer.bytes, at: 0)
            port.say("serves with \(image.engine)")
            return queue
        } catch {
            port.say("\(error.code) \(error.errno)")
            return nil
        }
    }

    private func openTwo(_ path: String, _ port: ChildPort) throws {
        let image = try BlockImage.open(path)
        let first = try serve(image, port)
        try Forbidden.ioURing.forbid(EPERM)
        try serve(image, port)
        port.say("still \(image.engine)")
        withExtendedLifetime(first) {}
    }

    private func runOutOfDescriptors(_ path: String, _ port: ChildPort) throws {
        for spare in 0..<16 {
            let image = try BlockImage.open(path)
            let before = OpenDescriptors.numbers()
            let free = (0..<1024).filter { !before.contains(CInt($0)) }
            try OpenDescriptors.limit(to: free[spare])
            do {
                let queue = try BlockQueue(image)
                try OpenDescriptors.limit(to: 1024)
                let buffer = AlignedBuffer(count: 4096)
                try queue.readAndWait(into: buffer.bytes, at: 0)
                guard case .refused(_, let errno)? = image.engineReport[.ioURing] else {
                    return port.say("\(image.engine)")
                }
                port.say("\(image.engine) for io_uring, refused \(errno)")
            } catch let error as BlockError {
                let leaked = OpenDescriptors.numbers().count - before.count
                try OpenDescriptors.limit(to: 1024)
                // Nothing was decided: with descriptors the preferred engine serves.
                let queue = try BlockQueue(image)
                port.say(
                    "\(error.code) \(error.errno), \(leaked) leaked, \(image.engine) after it")
                withExtendedLifetime(queue) {}
            }
        }
    }

    private func openTogether(_ path: String, _ port: ChildPort) throws {
        let image = try BlockImage.open(path)
        try Forbidden.ioURing.forbid(EPERM)
        let served = Locked<[EngineKind]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            guard (try? BlockQueue(image)) != nil else { return }
            served.withLock { $0.append(image.engine) }
        }
        let engines = served.withLock { $0 }
        port.say("\(engines.count) with \(Set(engines).map { "\($0)" }.joined(separator: ", "))")
    }
}
