import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Where a process has no descriptor left (RLIMIT_NOFILE).
///
/// The limit binds a child process, one for each engine.
final class DescriptorShortageTests: HostileTestCase {
    func testQueueOpenIOURing() throws { try checkQueueOpen(.ioURing) }

    func testQueueOpenLibaio() throws { try checkQueueOpen(.linuxAIO) }

    func testQueueOpenThreads() throws { try checkQueueOpen(.threadPool) }

    /// With no descriptor at all, with one, and so on until it works: each failure is an error that
    /// says so, and leaves no descriptor open.
    private func checkQueueOpen(_ engine: EngineKind) throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        var outcomes = try child("queue", ["\(engine)", target.pathForChildren]).lines()
        XCTAssertEqual(outcomes.popLast(), "works, then used")
        XCTAssertFalse(outcomes.isEmpty, "it worked without a descriptor")
        for outcome in outcomes {
            XCTAssertEqual(outcome, "engineUnavailable \(EMFILE), 0 leaked, RLIMIT_NOFILE named")
        }
    }

    func testImageOpen() throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        let outcomes = try child("image", [target.pathForChildren]).lines()
        XCTAssertEqual(outcomes, ["system \(EMFILE), 0 leaked", "works"])
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        if role == "image" { return try openImages(port) }
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[0]))
        let image = try BlockImage.open(
            port.arguments[1], OpenOptions(access: .readWrite, engine: .forced(engine)))
        let before = OpenDescriptors.numbers()
        for limit in firstFree(before)...1024 {
            try OpenDescriptors.limit(to: limit)
            do {
                let queue = try BlockQueue(image)
                try OpenDescriptors.limit(to: 1024)
                let buffer = AlignedBuffer(count: 4096)
                try queue.writeAndWait(from: .init(buffer.bytes), at: 0)
                try queue.flushAndWait()
                return port.say("works, then used")
            } catch let error as BlockError {
                let leaked = OpenDescriptors.numbers().count - before.count
                try OpenDescriptors.limit(to: 1024)
                let named = error.detail.contains("RLIMIT_NOFILE") ? "named" : "not named"
                port.say("\(error.code) \(error.errno), \(leaked) leaked, RLIMIT_NOFILE \(named)")
            }
        }
    }

    private func openImages(_ port: ChildPort) throws {
        let before = OpenDescriptors.numbers()
        try OpenDescriptors.limit(to: firstFree(before))
        do throws(BlockError) {
            _ = try BlockImage.open(port.arguments[0])
        } catch {
            let leaked = OpenDescriptors.numbers().count - before.count
            port.say("\(error.code) \(error.errno), \(leaked) leaked")
        }
        try OpenDescriptors.limit(to: 1024)
        _ = try BlockImage.open(port.arguments[0])
        port.say("works")
    }

    private func firstFree(_ used: [CInt]) -> Int {
        (0..<1024).first { !used.contains(CInt($0)) } ?? 1024
    }
}
