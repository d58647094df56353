import BlockIO
import CTestSupport
import Glibc
import XCTest
@testable import TestSupport

/// Paths are bytes: one that is not UTF-8 opens, and no message loses any of it.
final class PathnameTests: XCTestCase {
    func testAPathThatIsNotUTF8Opens() throws {
        let directory = try TemporaryDirectory()
        defer { directory.close() }
        let path = Pathname(bytes: Array(directory.path("caf").utf8) + [0xe9, 0x2e, 0xff])
        let opened = path.withCString { open($0, O_RDWR | O_CREAT, 0o600) }
        let file = Descriptor(try SystemCall.check(SystemCall.result(opened), "open"))
        XCTAssertEqual(ftruncate(file.raw, 4096), 0)
        let options = OpenOptions(access: .readWrite, caching: .buffered)
        let image = try BlockImage.open(pathname: path, options)
        XCTAssertEqual(image.pathname, path)
        XCTAssertEqual(image.path, "$'\(directory.path("caf"))\\xe9.\\xff'")
        XCTAssertEqual(image.size, 4096)
        // A second opener is told, with the path.
        XCTAssertThrowsError(try BlockImage.open(pathname: path, options)) {
            XCTAssertEqual(($0 as? BlockError)?.code, .locked)
            XCTAssertTrue("\($0)".contains("\\xe9.\\xff"), "\($0)")
        }
        // The text of one path is not another path.
        XCTAssertThrowsError(try BlockImage.open(image.path, options)) {
            XCTAssertEqual(($0 as? BlockError)?.code, .notFound)
        }
    }

    func testDescriptions() {
        let cases: [([UInt8], String)] = [
            (Array("disk.img".utf8), "disk.img"), (Array("é $'\\".utf8), "é $'\\"), ([], ""),
            ([0xff], "$'\\xff'"), ([0x61, 0xc3], "$'a\\xc3'"), ([0xc3, 0xa9, 0xe9], "$'é\\xe9'"),
            ([0x27, 0x5c, 0x80], "$'\\'\\\\\\x80'"), ([0xed, 0xa0, 0x80], "$'\\xed\\xa0\\x80'"),
            ([0xf4, 0x90, 0x80, 0x80, 0x41], "$'\\xf4\\x90\\x80\\x80A'"),
        ]
        for (bytes, text) in cases { XCTAssertEqual("\(Pathname(bytes: bytes))", text) }
    }

    func testEveryByteComesThrough() {
        let bytes = (1...255).map { UInt8($0) }
        let path = Pathname(bytes: bytes)
        XCTAssertEqual(path.withCString { Pathname(cString: $0) }.bytes, bytes)
        XCTAssertEqual(Pathname("aé").bytes, [0x61, 0xc3, 0xa9])
    }

    /// The kernel would take what is before the zero.
    func testAPathWithAZeroIsNone() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 4096))
        defer { target.close() }
        for path in [target.path + "\0", target.path + "\0x"] {
            XCTAssertThrowsError(try BlockImage.open(path)) {
                XCTAssertEqual(($0 as? BlockError)?.code, .notFound)
            }
        }
    }

    /// A program may have been started with its standard descriptors closed; what it prints must not go
    /// into an image.
    func testAnImageIsNeverAStandardDescriptor() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 4096))
        defer { target.close() }
        let child = try SystemCall.check(cts_fork(), "fork")
        if child == 0 {
            for descriptor in CInt(0)...2 { close(descriptor) }
            let image = try? BlockImage.open(target.path, OpenOptions(caching: .buffered))
            let areClosed = (CInt(0)...2).allSatisfy { fcntl($0, F_GETFD) < 0 }
            withExtendedLifetime(image) { _exit(image != nil && areClosed ? 0 : 1) }
        }
        XCTAssertEqual(cts_wait(child), 0)
    }
}
