import BlockIO
import CTestSupport
import Glibc
import XCTest
@testable import TestSupport

/// Advisory locks: who excludes whom, who is named, and that they end with the image.
final class ImageLockTests: XCTestCase {
    private static let readers = [
        OpenOptions(lock: .shared), OpenOptions(access: .readOnly),
    ]
    private static let writers = [
        OpenOptions(access: .readWrite), OpenOptions(access: .readWrite, lock: .shared),
    ]
    private static let alone = OpenOptions(lock: .exclusive)

    func testReadersShareAndExcludeWriters() throws {
        try onFileAndDevice { path in
            let first = try BlockImage.open(path, Self.readers[0])
            for reader in Self.readers { XCTAssertNoThrow(try BlockImage.open(path, reader)) }
            for writer in Self.writers { assertLocked(path, writer) }
            assertLocked(path, Self.alone)
            // Those that were refused have left nothing behind.
            for reader in Self.readers { XCTAssertNoThrow(try BlockImage.open(path, reader)) }
            withExtendedLifetime(first) {}
        }
    }

    func testAWriterExcludesReaders() throws {
        try onFileAndDevice { path in
            for writer in Self.writers {
                let first = try BlockImage.open(path, writer)
                for reader in Self.readers { assertLocked(path, reader) }
                assertLocked(path, Self.alone)
                withExtendedLifetime(first) {}
            }
        }
    }

    func testWritersExcludeEachOther() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        for writer in Self.writers {
            let first = try BlockImage.open(target.path, writer)
            for other in Self.writers { assertLocked(target.path, other) }
            withExtendedLifetime(first) {}
        }
    }

    func testAnExclusiveReaderIsAlone() throws {
        try onFileAndDevice { path in
            let first = try BlockImage.open(path, Self.alone)
            for options in Self.readers + Self.writers + [Self.alone] {
                assertLocked(path, options)
            }
            withExtendedLifetime(first) {}
        }
    }

    func testLockOffNeitherLocksNorLooks() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        let path = target.path
        let off = OpenOptions(access: .readWrite, lock: .off)
        let locked = try BlockImage.open(path, OpenOptions(access: .readWrite))
        let ignoring = try BlockImage.open(path, off)
        XCTAssertEqual(ignoring.lock, .off)
        withExtendedLifetime(locked) {}

        let other = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { other.close() }
        let unlocked = try BlockImage.open(other.path, off)
        XCTAssertNoThrow(try BlockImage.open(other.path, OpenOptions(access: .readWrite)))
        withExtendedLifetime(unlocked) {}
    }

    func testTheLockEndsWithTheImage() throws {
        try onFileAndDevice { path in
            for options in Self.readers + Self.writers + [Self.alone] {
                var image: BlockImage? = try BlockImage.open(path, options)
                XCTAssertNotNil(image)
                image = nil
                XCTAssertNoThrow(try BlockImage.open(path, OpenOptions(access: .readWrite)))
            }
        }
    }

    func testTheHolderIsNamed() throws {
        try onFileAndDevice { path in
            let first = try BlockImage.open(path, Self.readers[0])
            XCTAssertThrowsError(try BlockImage.open(path, Self.alone)) {
                XCTAssertTrue("\($0)".contains("process \(getpid())"), "\($0)")
            }
            withExtendedLifetime(first) {}
        }
    }

    // MARK: Another process

    private static let variable = "BLOCKIO_LOCK_THIS"
    private static let marker = "image-is-locked"

    /// The other process is another run of this test.
    func testAnotherProcessExcludesAndIsNamedUntilItDies() throws {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment[Self.variable] { try holdLock(on: path) }

        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        let output = try Descriptor.pipe()
        // Never written to: its end is the end of the test, in case that comes early.
        let input = try Descriptor.pipe()
        let child = try ChildProcess.spawn(
            "/proc/self/exe", ["BlockIOTests.ImageLockTests/\(#function.dropLast(2))"],
            environment: environment.map { "\($0)=\($1)" }
                + ["\(Self.variable)=\(target.pathForChildren)"],
            input: input.reading, output: output.writing)
        output.writing.close()
        var isLocked = false
        while !isLocked, let line = output.reading.readLine() { isLocked = line == Self.marker }
        XCTAssertTrue(isLocked, "the child did not lock")

        assertLocked(target.path, OpenOptions(access: .readWrite), by: child)
        assertLocked(target.path, OpenOptions(), by: child)
        XCTAssertEqual(kill(child, SIGKILL), 0)
        XCTAssertGreaterThan(cts_wait(child), 0)
        XCTAssertNoThrow(try BlockImage.open(target.path, OpenOptions(access: .readWrite)))
    }

    /// Runs in the child and does not return.
    private func holdLock(on path: String) throws -> Never {
        let image = try BlockImage.open(path, OpenOptions(access: .readWrite))
        let text = "\n\(Self.marker)\n"
        _ = text.withCString { write(STDOUT_FILENO, $0, strlen($0)) }
        withExtendedLifetime(image) {
            var byte: UInt8 = 0
            while read(STDIN_FILENO, &byte, 1) > 0 {}
        }
        exit(1)
    }

    private func onFileAndDevice(_ check: (String) throws -> Void) throws {
        for kind in [StorageTarget.Kind.tmpfsFile, .ext4File, .loop512] {
            let target = try orSkip(StorageTarget.make(kind, size: 1 << 20))
            defer { target.close() }
            try check(target.path)
        }
    }

    private func assertLocked(
        _ path: String, _ options: OpenOptions, by holder: pid_t = getpid(), line: UInt = #line
    ) {
        XCTAssertThrowsError(try BlockImage.open(path, options), "\(options)", line: line) {
            XCTAssertEqual(($0 as? BlockError)?.code, .locked, "\($0)", line: line)
            XCTAssertTrue("\($0)".contains("process \(holder)"), "\($0)", line: line)
        }
    }
}
