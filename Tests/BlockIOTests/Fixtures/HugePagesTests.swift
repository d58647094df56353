import XCTest
@testable import TestSupport

/// Huge pages are given back, however the test ends that has reserved them.
final class HugePagesTests: HostileTestCase {
    private func numberNow() throws -> Int {
        let pages = try orSkip(HugePages(count: 1))
        defer { pages.close() }
        return pages.former
    }

    func testTheyAreGivenBackByClose() throws {
        let former = try numberNow()
        let pages = try HugePages(count: 2)
        XCTAssertEqual(pages.former, former)
        XCTAssertTrue(try pages.file(size: 2 * HugePages.pageSize).isOpen)
        pages.close()
        XCTAssertEqual(try numberNow(), former)
    }

    func testTheyAreGivenBackByAProcessThatIsKilled() throws {
        let former = try numberNow()
        let child = try child("keep")
        try child.expect("kept")
        child.kill()
        XCTAssertEqual(try numberNow(), former)
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let pages = try HugePages(count: 2)
        port.say("kept")
        port.hear()
        pages.close()
    }
}
