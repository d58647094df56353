import BlockState
import XCTest

@testable import IDE

/// docs/state-format.md has every field as the code lists them.
final class StateFormatPageTests: XCTestCase {
    private static let page = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs/state-format.md")
    /// What the page has before the tables.
    private static let heading = "## Fields of version 3\n\n"

    /// IDE_STATE_PAGE=write puts the tables into the page.
    func testThePageIsTheCode() throws {
        let expected = IDEController.stateFormat.describe(SavedController()) + "\n"
        let page = try String(contentsOf: Self.page, encoding: .utf8)
        let start = try XCTUnwrap(page.range(of: Self.heading)).upperBound
        if ProcessInfo.processInfo.environment["IDE_STATE_PAGE"] == "write" {
            try (page[..<start] + expected).write(to: Self.page, atomically: true, encoding: .utf8)
            return
        }
        XCTAssertEqual(String(page[start...]), expected)
    }
}
