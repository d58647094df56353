import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// A queue that has had a million requests at one time gives their memory back when they are done.
///
/// A sanitizer replaces the allocator and keeps what is freed: under it the requests only run.
final class MemoryReturnTests: HostileTestCase {
    private static let requests = cts_allocations_are_countable() ? 1_000_000 : 50_000
    /// What may stay, in bytes, of some 190 for each request.
    private static let kept = 2 << 20

    func testTheMemoryOfRequestsThatAreDoneIsGivenBack() throws {
        for engine in EngineKind.allCases {
            let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 16))
            defer { target.close() }
            let child = try child("queue", ["\(engine)", target.pathForChildren])
            let lines = try child.lines()
            XCTAssertEqual(lines.count, 2, "\(engine): \(lines)")
            let numbers = lines.compactMap { Int($0) }
            guard numbers.count == 2 else { continue }
            XCTAssertEqual(numbers[0], Self.requests, "\(engine)")
            guard cts_allocations_are_countable() else { continue }
            XCTAssertLessThan(numbers[1], Self.kept, "\(engine): bytes that stayed")
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[0]))
        let image = try BlockImage.open(
            port.arguments[1], OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 4096)
        for _ in 0..<1000 { queue.read(into: buffer.bytes, at: 0) }
        try queue.finish()
        let before = try ResidentMemory.bytes()
        queue.batch {
            for _ in 0..<Self.requests { queue.read(into: buffer.bytes, at: 0) }
        }
        var done = 0
        try queue.finish { if $0.isSuccess { done += 1 } }
        // A few more, as a queue that goes on has them.
        for _ in 0..<1000 { queue.read(into: buffer.bytes, at: 0) }
        try queue.finish()
        port.say("\(done)")
        port.say("\(try ResidentMemory.bytes() - before)")
    }
}
