import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// What cannot be an image is refused, with a code that says why, and leaves no descriptor behind.
final class OpenErrorTests: XCTestCase {
    private enum Special { case directory, fifo, socket, file(Int), link(to: String) }

    func testWhatIsNoImageIsRefused() throws {
        let cases: [(Special, BlockError.Code, CInt)] = [
            (.directory, .wrongFileType, 0), (.fifo, .wrongFileType, 0),
            (.socket, .wrongFileType, 0), (.link(to: "."), .wrongFileType, 0),
            (.link(to: "entry"), .notFound, ELOOP), (.link(to: "nowhere"), .notFound, ENOENT),
        ]
        for (special, code, errno) in cases {
            let directory = try TemporaryDirectory()
            defer { directory.close() }
            let path = directory.path("entry")
            try make(special, at: path)
            for access in [OpenOptions.Access.readOnly, .readWrite] {
                for caching in [OpenOptions.Caching.direct, .buffered] {
                    let options = OpenOptions(access: access, caching: caching)
                    assertRefused(path, options, code, errno, "\(special)")
                }
            }
        }
    }

    /// open(2) on these has effects of its own, on a FIFO it blocks; the path must not be opened.
    func testCharacterDevicesAreRefused() {
        for path in ["/dev/null", "/dev/zero", "/dev/tty"] where access(path, F_OK) == 0 {
            assertRefused(path, OpenOptions(access: .readWrite), .wrongFileType, 0)
        }
    }

    func testMissingPathsAreNotFound() throws {
        let directory = try TemporaryDirectory()
        defer { directory.close() }
        try make(.file(512), at: directory.path("file"))
        for (path, errno) in [
            (directory.path("missing"), ENOENT), (directory.path("file/inside"), ENOTDIR),
            ("", ENOENT), (directory.path(String(repeating: "x", count: 4096)), ENAMETOOLONG),
        ] {
            let code: BlockError.Code = errno == ENAMETOOLONG ? .system : .notFound
            assertRefused(path, OpenOptions(), code, errno)
            assertRefused(path, OpenOptions(access: .readWrite, caching: .buffered), code, errno)
        }
    }

    func testBlockSizesThatAreNoneAreRefused() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        for size in [Int.min, -512, -1, 0, 1, 256, 511, 513, 768, 4095, 131072, 1 << 40, Int.max] {
            assertRefused(target.path, OpenOptions(logicalBlockSize: size), .invalidOption, 0)
        }
        for size in [512, 1024, 2048, 4096, 65536] {
            let image = try BlockImage.open(target.path, OpenOptions(logicalBlockSize: size))
            XCTAssertEqual(image.logicalBlockSize, size)
        }
    }

    func testAnEmptyFileIsAnImageWithoutBlocks() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 0))
        defer { target.close() }
        let queue = try BlockQueue(BlockImage.open(target.path, OpenOptions(access: .readWrite)))
        XCTAssertEqual(queue.image.size, 0)
        let buffer = AlignedBuffer(count: 512)
        XCTAssertThrowsError(try queue.readAndWait(into: buffer.bytes, at: 0)) {
            XCTAssertEqual(($0 as? BlockError)?.code, .outOfRange)
        }
        XCTAssertThrowsError(try queue.writeAndWait(from: .init(buffer.bytes), at: 0))
        try queue.flushAndWait()
    }

    /// Attributes of the kernel are regular files that cannot do direct I/O: an error, and no quiet
    /// change to the page cache.
    func testDirectIOThatCannotBeHadIsRefused() {
        assertRefused("/proc/version", OpenOptions(caching: .direct), .directIOUnavailable, EINVAL)
    }

    func testErrorsNameThePathAndSayWhatToDo() {
        XCTAssertThrowsError(try BlockImage.open("/proc/version")) {
            let text = "\($0)"
            for part in ["open", "/proc/version", "buffered", "errno \(EINVAL)"] {
                XCTAssertTrue(text.contains(part), text)
            }
            XCTAssertNil(($0 as? BlockError)?.range)
        }
    }

    private func make(_ special: Special, at path: String) throws {
        let result: CInt
        switch special {
        case .directory: result = mkdir(path, 0o700)
        case .fifo: result = mkfifo(path, 0o600)
        case .socket: result = mknod(path, S_IFSOCK | 0o600, 0)
        case .link(let target): result = symlink(target, path)
        case .file(let size):
            let file = Descriptor(
                try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), "open \(path)"))
            result = ftruncate(file.raw, size)
        }
        try SystemCall.check(SystemCall.result(result), "making \(special)")
    }

    private func assertRefused(
        _ path: String, _ options: OpenOptions, _ code: BlockError.Code, _ errno: CInt,
        _ what: String = "", line: UInt = #line
    ) {
        let before = openDescriptors()
        let place = "\(what) \(options)"
        let error = Watchdog.guarding("opening \(path)") { refusal(of: path, options) }
        XCTAssertEqual(error?.code, code, place, line: line)
        XCTAssertEqual(error?.errno, errno, place, line: line)
        XCTAssertEqual(error?.operation, .open, place, line: line)
        XCTAssertEqual(error?.image, path, place, line: line)
        XCTAssertFalse(error?.detail.isEmpty ?? true, place, line: line)
        XCTAssertEqual(openDescriptors(), before, "descriptors left, \(place)", line: line)
    }

    private func refusal(of path: String, _ options: OpenOptions) -> BlockError? {
        do {
            _ = try BlockImage.open(path, options)
            return nil
        } catch {
            return error
        }
    }

    private func openDescriptors() -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        // One of them is the directory itself, closed by now.
        return (names ?? []).filter { fcntl(CInt($0) ?? -1, F_GETFD) >= 0 }.sorted()
    }
}
