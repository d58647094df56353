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

    /// A filter that lets a ring be made and not be used.
    func testIOURingThatCannotBeEntered() throws {
        for errno in [EPERM, EACCES, ENOSYS] {
            try checkRing(forbidding: .ioURingEnter, errno, named: "io_uring_enter(2)")
        }
    }

    func testIOURingThatCannotBeSetUpFurther() throws {
        for errno in [EPERM, EACCES, ENOSYS] {
            try checkRing(forbidding: .ioURingRegister, errno, named: "io_uring_register(2)")
        }
    }

    /// Linux 5.10.214 answered EBADF to every io_uring_register(2).
    func testAKernelThatRegistersNothing() throws {
        for errno in [EBADF, EINVAL, EBUSY] {
            let report = try examine(.loop512, forbidding: [.ioURingRegister: errno])
            XCTAssertEqual(report["auto"], "libaio")
            XCTAssertEqual(report["auto io_uring"], "refused \(errno)")
            XCTAssertContains(report["auto io_uring reason"], "io_uring_register(2) failed: ")
            XCTAssertEqual(report["forced io_uring"], "engineUnavailable \(errno)")
            XCTAssertEqual(report["forced threads"], "works")
        }
    }

    private func checkRing(
        forbidding call: Forbidden, _ errno: CInt, named name: String
    ) throws {
        let report = try examine(.loop512, forbidding: [call: errno])
        XCTAssertEqual(report["auto"], "libaio")
        XCTAssertEqual(report["auto io_uring"], "refused \(errno)")
        XCTAssertContains(report["auto io_uring reason"], "\(name) failed with ")
        XCTAssertContains(report["auto io_uring reason"], "errno \(errno); an administrator can")
        XCTAssertEqual(report["forced io_uring"], "engineUnavailable \(errno)")
        XCTAssertContains(report["forced io_uring detail"], name)
        XCTAssertEqual(report["forced libaio"], "works")
        XCTAssertEqual(report["forced threads"], "works")
    }

    /// io_setup(2) and io_destroy(2) take 33 ms together: who opens many images does not pay for an
    /// engine that is not used.
    func testAnEngineBehindTheOneTakenIsNotTried() throws {
        let report = try examine(.loop512, forbidding: [.linuxAIO: EPERM])
        XCTAssertEqual(report["auto"], "io_uring")
        // Had it been tried, it would have been refused.
        XCTAssertEqual(report["auto libaio"], "passed over")
        XCTAssertContains(report["auto libaio reason"], "it was not tried")
        XCTAssertEqual(report["auto threads"], "passed over")
        XCTAssertEqual(report["forced io_uring"], "works")
        XCTAssertEqual(report["forced libaio"], "engineUnavailable \(EPERM)")
    }

    func testLibaioForbiddenWithEPERM() throws {
        let report = try examine(.loop512, forbidding: [.ioURing: ENOSYS, .linuxAIO: EPERM])
        XCTAssertEqual(report["auto"], "threads")
        XCTAssertEqual(report["auto libaio"], "refused \(EPERM)")
        XCTAssertContains(report["auto libaio reason"], "allow io_setup(2) in the seccomp profile")
        XCTAssertEqual(report["forced libaio"], "engineUnavailable \(EPERM)")
        XCTAssertContains(report["forced libaio detail"], "seccomp profile")
        XCTAssertEqual(report["forced threads"], "works")
    }

    func testLibaioHiddenWithENOSYS() throws {
        let report = try examine(.loop512, forbidding: [.ioURing: EPERM, .linuxAIO: ENOSYS])
        XCTAssertEqual(report["auto"], "threads")
        XCTAssertEqual(report["auto libaio"], "refused \(ENOSYS)")
        XCTAssertContains(report["auto libaio reason"], "CONFIG_AIO")
        XCTAssertEqual(report["forced libaio"], "engineUnavailable \(ENOSYS)")
    }

    func testThreadsServeWhereBothAreForbidden() throws {
        for kind in [StorageTarget.Kind.loop512, .tmpfsFile] {
            let report = try examine(kind, forbidding: [.ioURing: EPERM, .linuxAIO: ENOSYS])
            XCTAssertEqual(report["auto"], "threads")
            // In memory threads come first.
            let isTried = kind == .loop512
            XCTAssertEqual(
                report["auto io_uring"], isTried ? "refused \(EPERM)" : "passed over")
            XCTAssertEqual(report["auto libaio"], isTried ? "refused \(ENOSYS)" : "passed over")
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
        _ kind: StorageTarget.Kind, forbidding forbidden: [Forbidden: CInt]
    ) throws -> [String: String] {
        let target = try orSkip(StorageTarget.make(kind, size: Self.size))
        defer { target.close() }
        let child = try child(
            "examine",
            [target.pathForChildren] + forbidden.map { "\($0.key.rawValue)=\($0.value)" })
        let pairs = try child.lines().map { line in
            let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
            return (parts[0], parts[1])
        }
        return Dictionary(pairs) { first, _ in first }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        for argument in port.arguments.dropFirst() {
            let parts = argument.split(separator: "=")
            let call = try XCTUnwrap(Forbidden(rawValue: String(parts[0])))
            try call.forbid(try XCTUnwrap(CInt(parts[1])))
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
            case .passedOver(let reason):
                port.say("auto \(entry.engine): passed over")
                port.say("auto \(entry.engine) reason: \(reason)")
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
