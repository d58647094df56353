import BlockIO
import XCTest
@testable import TestSupport

/// Asserts that a text is there and has `part` in it.
func XCTAssertContains(
    _ text: String?, _ part: String, file: StaticString = #filePath, line: UInt = #line
) {
    XCTAssertTrue(
        text?.contains(part) ?? false, "\"\(part)\" is not in: \(text ?? "nothing")", file: file,
        line: line)
}

/// Asserts that `body` throws a ``BlockError`` with this code and, if given, this errno; returns
/// it.
@discardableResult
func XCTAssertRefused<Result>(
    _ code: BlockError.Code, errno: CInt? = nil, file: StaticString = #filePath,
    line: UInt = #line, _ body: () throws -> Result
) -> BlockError? {
    do {
        _ = try body()
        XCTFail("nothing was thrown", file: file, line: line)
    } catch let error as BlockError {
        XCTAssertEqual(error.code, code, "\(error)", file: file, line: line)
        if let errno { XCTAssertEqual(error.errno, errno, "\(error)", file: file, line: line) }
        return error
    } catch {
        XCTFail("threw \(error)", file: file, line: line)
    }
    return nil
}
