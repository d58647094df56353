import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Where a seccomp filter, as of a container, forbids an engine.
final class ForbiddenEngineTests: HostileTestCase {
    private static let size = 1 << 20

    func testIOURingForbiddenWithEPERM() throws {
        let report = try examine(.loop512, forbidding: [.ioURing: EPERM])
        XCTAssertEqual(report["auto"], "libaio")
        XCTAssertEqual(report["auto io_uring"], "refused \(EPERM)")
        XCTAssertContains(
            report["auto io_uring reason"], "io_uring_setup(2) in the seccomp profile")
        XCTAssertEqual(report["forced io_uring"], "engineUnavailable \(EPERM)")
        XCTAssertContains(report["forced io_uring detail"], "seccomp profile")
        XCTAssertEqual(report["forced libaio"], "works")
        XCTAssertEqual(report["forced threads"], "works")
    }

    func testIOURingHiddenWithENOSYS() throws {
        let report = try examine(.loop512, forbidding: [.ioURing: ENOSYS])
        XCTAssertEqual(report["auto"], "libaio")
        XCTAssertEqual(report["auto io_uring"], "refused \(ENOSYS)")
        XCTAssertContains(report["auto io_uring reason"], "CONFIG_IO_URING")
        XCTAssertEqual(report["forced io_uring"], "engineUnavailable \(ENOSYS)")
        XCTAssertEqual(report["forced libaio"], "works")
    }

    func testLibaioForbiddenWithEPERM() throws {
        let report = try examine(.tmpfsFile, forbidding: [.linuxAIO: EPERM])
        XCTAssertEqual(report["auto"], "threads")
        XCTAssertEqual(report["auto libaio"], "refused \(EPERM)")
        XCTAssertContains(report["auto libaio reason"], "allow io_setup(2) in the seccomp profile")
        XCTAssertEqual(report["forced libaio"], "engineUnavailable \(EPERM)")
        XCTAssertContains(report["forced libaio detail"], "seccomp profile")
        XCTAssertEqual(report["forced io_uring"], "works")
        XCTAssertEqual(report["forced threads"], "works")
    }

    func testLibaioHiddenWithENOSYS() throws {
        let report = try examine(.tmpfsFile, forbidding: [.linuxAIO: ENOSYS])
        XCTAssertEqual(report["auto"], "threads")
        XCTAssertEqual(report["auto libaio"], "refused \(ENOSYS)")
        XCTAssertContains(report["auto libaio reason"], "CONFIG_AIO")
        XCTAssertEqual(report["forced libaio"], "engineUnavailable \(ENOSYS)")
    }

    func testThreadsServeWhereBothAreForbidden() throws {
        for kind in [StorageTarget.Kind.loop512, .tmpfsFile] {
            let report = try examine(kind, forbidding: [.ioURing: EPERM, .linuxAIO: ENOSYS])
            XCTAssertEqual(report["auto"], "threads")
            XCTAssertEqual(report["auto io_uring"], "refused \(EPERM)")
            XCTAssertEqual(report["auto libaio"], "refused \(ENOSYS)")
            XCTAssertEqual(report["auto threads"], "taken")
            XCTAssertEqual(report["forced io_uring"], "engineUnavailable \(EPERM)")
            XCTAssertEqual(report["forced libaio"], "engineUnavailable \(ENOSYS)")
            XCTAssertEqual(report["forced threads"], "works")
        }
    }

    /// The control: without a filter each engine works in a child.
    func testNothingForbidden() throws {
        let report = try examine(.loop512, forbidding: [:])
        XCTAssertEqual(report["auto"], "io_uring")
        for engine in EngineKind.allCases {
            XCTAssertEqual(report["forced \(engine)"], "works")
        }
    }

    /// Runs the role in a child; its report as a dictionary.
    private func examine(
        _ kind: StorageTarget.Kind, forbidding forbidden: [EngineKind: CInt]
    ) throws -> [String: String] {
        let target = try orSkip(StorageTarget.make(kind, size: Self.size))
        defer { target.close() }
        let child = try child(
            "examine",
            [target.pathForChildren] + forbidden.map { "\($0.key)=\($0.value)" })
        let pairs = try child.lines().map { line in
            let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
            return (parts[0], parts[1])
        }
        return Dictionary(pairs) { first, _ in first }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        for argument in port.arguments.dropFirst() {
            let parts = argument.split(separator: "=")
            let what = parts[0] == "io_uring" ? CTS_FORBID_IO_URING : CTS_FORBID_AIO
            try SystemCall.check(cts_forbid(what, CInt(parts[1])!), "seccomp")
        }
        let path = port.arguments[0]
        try reportAuto(path, port)
        for engine in EngineKind.allCases {
            do {
                try useEngine(.forced(engine), path)
                port.say("forced \(engine): works")
            } catch let error as BlockError {
                port.say("forced \(engine): \(error.code) \(error.errno)")
                port.say("forced \(engine) detail: \(error.detail)")
            }
        }
    }

    private func reportAuto(_ path: String, _ port: ChildPort) throws {
        let image = try useEngine(.auto, path)
        port.say("auto: \(image.engine)")
        for entry in image.engineReport.entries {
            switch entry.outcome {
            case .taken: port.say("auto \(entry.engine): taken")
            case .passedOver: port.say("auto \(entry.engine): passed over")
            case .refused(let reason, let errno):
                port.say("auto \(entry.engine): refused \(errno)")
                port.say("auto \(entry.engine) reason: \(reason)")
            }
        }
    }

    /// Opens the image, and writes, flushes and reads through a queue.
    @discardableResult
    private func useEngine(_ engine: EngineChoice, _ path: String) throws -> BlockImage {
        let image = try BlockImage.open(path, OpenOptions(access: .readWrite, engine: engine))
        let queue = try BlockQueue(image)
        let written = AlignedBuffer(count: 8192)
        let read = AlignedBuffer(count: 8192)
        written.fill(UInt8.random(in: 0...255))
        try queue.writeAndWait(from: .init(written.bytes), at: 4096)
        try queue.flushAndWait()
        try queue.readAndWait(into: read.bytes, at: 4096)
        guard sameBytes(written.bytes, read.bytes) else {
            throw FixtureError.failed("\(image.engine) read something else than it wrote")
        }
        return image
    }
}
