import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// A process whose files may become only so long (RLIMIT_FSIZE) and that ignores SIGXFSZ: a write
/// behind the limit fails with EFBIG on every engine.
final class FileSizeLimitTests: HostileTestCase {
    private static let size = 1 << 20
    private static let limit = 1 << 16

    func testWritesBehindTheLimitFail() throws {
        for kind in [StorageTarget.Kind.ext4File, .tmpfsFile] {
            for setup in EngineSetup.all {
                for threading in ["owned", "shared"] {
                    let target = try orSkip(StorageTarget.make(kind, size: Self.size))
                    defer { target.close() }
                    let child = try child(
                        "write",
                        [
                            "\(setup.engine)", "\(setup.caching)", threading,
                            target.pathForChildren,
                        ])
                    XCTAssertEqual(
                        try child.lines(),
                        [
                            "behind: system \(EFBIG), 0 bytes",
                            "behind, durable: system \(EFBIG), 0 bytes",
                            "across: system \(EFBIG), 4096 bytes",
                            "part of a block: system \(EFBIG), 0 bytes",
                            "larger: system \(EFBIG), 0 bytes",
                            "below: success, 4096 bytes",
                            "read: success, 4096 bytes",
                            "flush: success, 0 bytes",
                        ], "\(kind), \(setup), \(threading)")
                }
            }
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[0]))
        let image = try BlockImage.open(
            port.arguments[3],
            OpenOptions(
                access: .readWrite, caching: port.arguments[1] == "direct" ? .direct : .buffered,
                engine: .forced(engine)))
        let queue = try BlockQueue(
            image, QueueOptions(threading: port.arguments[2] == "owned" ? .owned : .shared))
        try SystemCall.check(cts_limit_file_size(UInt64(Self.limit)), "RLIMIT_FSIZE")
        let buffer = AlignedBuffer(count: 8192)
        let (page, limit) = (UnsafeRawBufferPointer(buffer.slice(0, 4096)), UInt64(Self.limit))
        func report(_ what: String, _ submit: () -> Void) throws {
            submit()
            try queue.finish { completion in
                let outcome = completion.failure.map { "\($0) \(completion.errno)" } ?? "success"
                port.say("\(what): \(outcome), \(completion.transferred) bytes")
            }
        }
        try report("behind") { queue.write(from: page, at: 2 * limit) }
        try report("behind, durable") {
            queue.write(from: page, at: 2 * limit, durability: .forceUnitAccess)
        }
        try report("across") { queue.write(from: .init(buffer.bytes), at: limit - 4096) }
        try report("part of a block") {
            queue.write(from: .init(buffer.slice(1, 100)), at: 2 * limit + 100)
        }
        try report("larger") { queue.resize(to: UInt64(2 * Self.size)) }
        try report("below") { queue.write(from: page, at: 0) }
        try report("read") { queue.read(into: buffer.slice(0, 4096), at: 2 * limit) }
        try report("flush") { queue.flush() }
    }
}
