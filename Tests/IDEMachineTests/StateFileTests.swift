import CTestSupport
import XCTest

@testable import IDEMachine
@testable import TestSupport

/// A saved state survives a crash of the host: it is stable before it has its name, and so is the name.
final class StateFileTests: XCTestCase {
    private func calls() -> [(path: String, exists: Bool)] {
        (0..<Int(cts_sync_end())).map { number in
            var call = cts_sync_call(CInt(number))
            let path = withUnsafeBytes(of: &call.path) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            return (path, call.exists)
        }
    }

    func testTheFileIsStableBeforeItsNameAndThenTheName() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("state")
        cts_sync_watch(path)
        try StateFile.write([1, 2, 3], to: path)
        let calls = calls()
        XCTAssertEqual(calls.map(\.path), [path + ".new", directory.path])
        XCTAssertEqual(calls.map(\.exists), [false, true])
        XCTAssertEqual(try StateFile.read(path), [1, 2, 3])
        try StateFile.write([4], to: path)
        XCTAssertEqual(try StateFile.read(path), [4])
    }

    /// A mark at the start of a name makes one character with the slash.
    func testANameThatBeginsWithAMark() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("\u{301}state")
        cts_sync_watch(path)
        try StateFile.write([6], to: path)
        XCTAssertEqual(calls().map(\.path), [path + ".new", directory.path])
        XCTAssertEqual(try StateFile.read(path), [6])
    }

    /// The directory need not be named.
    func testANameInTheWorkingDirectory() throws {
        let directory = try TemporaryDirectory()
        let former = FileManager.default.currentDirectoryPath
        XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(directory.path))
        defer { _ = FileManager.default.changeCurrentDirectoryPath(former) }
        cts_sync_watch(directory.path("state"))
        try StateFile.write([5], to: "state")
        XCTAssertEqual(calls().map(\.path), [directory.path("state.new"), directory.path])
        XCTAssertEqual(try StateFile.read("state"), [5])
    }

    func testWhatCannotBeWrittenLeavesWhatIsThere() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("state")
        try StateFile.write([1], to: path)
        // The name of the temporary file is taken, by what cannot be written to.
        XCTAssertEqual(mkdir(path + ".new", 0o700), 0)
        XCTAssertThrowsError(try StateFile.write([2], to: path))
        XCTAssertEqual(try StateFile.read(path), [1])
    }

    /// Not all of it is read.
    func testAFileThatIsLongerThanAnyState() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("state")
        try StateFile.write([7], to: path)
        XCTAssertEqual(truncate(path, 100 << 20), 0)
        XCTAssertThrowsError(try StateFile.read(path)) {
            XCTAssertTrue("\($0)".hasSuffix("is longer than any state"), "\($0)")
        }
    }

    /// /dev/null, for instance: to root, the rename would succeed.
    func testADeviceOrAPipeIsNotReplaced() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("state")
        XCTAssertEqual(mkfifo(path, 0o600), 0)
        XCTAssertThrowsError(try StateFile.write([1], to: path)) {
            XCTAssertTrue("\($0)".contains("is not a regular file"), "\($0)")
        }
        var status = stat()
        XCTAssertEqual(stat(path, &status), 0)
        XCTAssertEqual(status.st_mode & S_IFMT, S_IFIFO)
        XCTAssertNotEqual(access(path + ".new", F_OK), 0)
    }

    /// Its name could not be made stable.
    func testADirectoryThatCannotBeReadLeavesWhatIsThere() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("state")
        try StateFile.write([1], to: path)
        // Root may read all the same.
        let nobody: uid_t = 65534
        let user = geteuid()
        if user == 0 { XCTAssertEqual(chown(directory.path, nobody, nobody), 0) }
        XCTAssertEqual(chmod(directory.path, 0o333), 0)
        if user == 0 { XCTAssertEqual(seteuid(nobody), 0) }
        defer {
            XCTAssertEqual(seteuid(user), 0)
            XCTAssertEqual(chmod(directory.path, 0o700), 0)
        }
        XCTAssertThrowsError(try StateFile.write([2], to: path))
        XCTAssertEqual(try StateFile.read(path), [1])
    }
}
