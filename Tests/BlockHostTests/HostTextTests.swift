import BlockHost
import Foundation
import Glibc
import XCTest
@testable import TestSupport

/// What the host says in words, and what proc(5) does.
final class HostTextTests: XCTestCase {
    func testErrnos() {
        XCTAssertEqual(errnoMessage(EIO), "Input/output error")
        XCTAssertEqual(errnoText(EIO), "Input/output error, errno 5")
        XCTAssertEqual(
            SystemCallError("eventfd(2)", EMFILE).description,
            "eventfd(2) failed: Too many open files, errno 24")
    }

    func testFiles() throws {
        let directory = try TemporaryDirectory()
        defer { directory.close() }
        let path = directory.path("file")
        let lines = "first\n" + String(repeating: "x", count: 10_000) + "\n"
        try Data(lines.utf8).write(to: URL(fileURLWithPath: path))
        XCTAssertEqual(ProcFile.contents(of: path), lines)
        XCTAssertEqual(ProcFile.firstLine(of: path), "first")
        XCTAssertEqual(ProcFile.entries(of: directory.path), ["file"])
        XCTAssertNil(ProcFile.contents(of: path + "2"))
        XCTAssertEqual(ProcFile.entries(of: path), [])
    }
}
