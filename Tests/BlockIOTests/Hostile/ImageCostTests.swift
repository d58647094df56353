import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// What an open image with its queue costs: descriptors and memory. Counted in a child process, which has
/// no other affairs.
final class ImageCostTests: HostileTestCase {
    /// Images that are open at a time.
    private static let images = 64
    /// The most memory, in bytes, of an image and its queue. Without the stacks of threads, which come with
    /// requests.
    private static let most = 48 << 10

    func testIOURing() throws {
        // The file, the ring and the event.
        try check(.ioURing, [3, 3, 3, 3])
    }

    func testLibaio() throws {
        // The file and the event.
        try check(.linuxAIO, [2, 2, 2, 2])
    }

    func testThreads() throws {
        // The file, and the event if the queue has a descriptor.
        try check(.threadPool, [2, 1, 2, 1])
    }

    /// Counts the descriptors of a queue with each threading, with and without a descriptor of its own.
    private func check(_ engine: EngineKind, _ descriptors: [Int]) throws {
        let target = try orSkip(StorageTarget.make(.ext4File, size: 1 << 20))
        defer { target.close() }
        let lines = try child("count", ["\(engine)", target.pathForChildren]).lines()
        XCTAssertEqual(lines.count, 5, "\(lines)")
        for (line, expected) in zip(lines, descriptors) {
            XCTAssertEqual(line, "\(expected) open, \(expected) used, 0 left")
        }
        guard cts_allocations_are_countable(), let bytes = lines.last.flatMap({ Int($0) }) else {
            return
        }
        XCTAssertLessThan(bytes, Self.most, "bytes of an image")
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[0]))
        for threading in [QueueThreading.owned, .shared] {
            for hasDescriptor in [true, false] {
                let options = QueueOptions(threading: threading, hasDescriptor: hasDescriptor)
                let before = OpenDescriptors.numbers().count
                let counted = try count(engine, port.arguments[1], options, before)
                port.say("\(counted), \(OpenDescriptors.numbers().count - before) left")
            }
        }
        // The first images bring what the process keeps.
        for _ in 0..<2 { _ = try bytesOfAnImage(engine, port) }
        port.say("\(try bytesOfAnImage(engine, port))")
    }

    /// The descriptors that there are beyond `before` when the queue is open, and when it has been used.
    private func count(
        _ engine: EngineKind, _ path: String, _ options: QueueOptions, _ before: Int
    ) throws -> String {
        let image = try BlockImage.open(
            path, OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = try BlockQueue(image, options)
        let opened = OpenDescriptors.numbers().count - before
        let remote = queue.remote
        let buffer = AlignedBuffer(count: 4096)
        try queue.writeAndWait(from: .init(buffer.bytes), at: 0)
        // For a helper thread.
        _ = try queue.discardAndWait(at: 0, length: 4096)
        try queue.readAndWait(into: buffer.bytes, at: 0)
        try queue.flushAndWait()
        let used = OpenDescriptors.numbers().count - before
        remote.close()
        while !queue.isClosed { queue.poll(minimum: 1) }
        return "\(opened) open, \(used) used"
    }

    /// The resident memory that each of many images with a queue takes, after one read.
    private func bytesOfAnImage(_ engine: EngineKind, _ port: ChildPort) throws -> Int {
        let buffer = AlignedBuffer(count: 4096)
        let before = try ResidentMemory.bytes()
        var queues: [BlockQueue] = []
        for _ in 0..<Self.images {
            let image = try BlockImage.open(
                port.arguments[1], OpenOptions(access: .readOnly, engine: .forced(engine)))
            let queue = try BlockQueue(image)
            try queue.readAndWait(into: buffer.bytes, at: 0)
            queues.append(queue)
        }
        return (try ResidentMemory.bytes() - before) / queues.count
    }
}
